"""Numbers as the sentences of an evaluation write them."""

from perennial.metric_names import in_words


def count(rows: int) -> str:
    """So many rows."""
    return f"{rows} holdout row{'' if rows == 1 else 's'}"


def chance(p: float) -> str:
    """A p-value, with what stands before it."""
    return f"= {p:.2g}" if p >= 0.0001 else "< 0.0001"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + "."


def compare(metric: str, challenger: float, opponent: float, rows: int, who: str) -> str:
    """What both scored on so many rows; `who` is the opponent."""
    if metric == "accuracy":
        return f"the challenger is right on {challenger:.1%} of {count(rows)}, {who} on {opponent:.1%}"
    return f"the challenger has {in_words(metric)} {challenger:.4g} on {count(rows)}, {who} {opponent:.4g}"
