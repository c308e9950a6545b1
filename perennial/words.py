"""Numbers as sentences write them."""


def counted(number: int, noun: str) -> str:
    """So many of something whose plural is regular.

    >>> counted(1, "object"), counted(1_200, "row")
    ('1 object', '1,200 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
