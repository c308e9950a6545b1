"""A few words of SVG: elements with escaped text and short numbers."""

from html import escape

Point = tuple[float, float]


def number(value: float) -> str:
    """A coordinate, no longer than it needs to be.

    >>> number(3.0), number(2.25), number(-0.04)
    ('3', '2.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def tag(name: str, *children: str, **attributes: str | float | None) -> str:
    """One element. Attribute values are escaped, children are markup already; `class_` stands for `class`.

    >>> tag("text", words("a < b"), x=1.5, class_="label", text_anchor="end")
    '<text x="1.5" class="label" text-anchor="end">a &lt; b</text>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else number(value)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    head = " ".join(parts)
    return f"<{head}>{''.join(children)}</{name}>" if children else f"<{head}/>"


def words(text: str) -> str:
    """Text made safe to stand between tags."""
    return escape(text)


def picture(width: float, height: float, *children: str, name: str, title: str, class_: str) -> str:
    """An `<svg>` of that many units that scales with the page and says in words what it shows.

    `name` is unique on the page: it ties the picture to its title.
    """
    return tag(
        "svg",
        tag("title", words(title), id=f"{name}-title"),
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_labelledby=f"{name}-title",
        class_=class_,
    )


def rounded(points: list[Point], radius: float = 7) -> str:
    """Path data of a line through the points, its corners rounded.

    >>> rounded([(0, 0), (0, 10), (10, 10)], radius=4)
    'M0 0L0 6Q0 10 4 10L10 10'
    """
    data = f"M{_pair(points[0])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        into, out = _towards(corner, before, radius), _towards(corner, after, radius)
        data += f"L{_pair(into)}Q{_pair(corner)} {_pair(out)}"
    return data + f"L{_pair(points[-1])}"


def _towards(corner: Point, other: Point, radius: float) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = (dx * dx + dy * dy) ** 0.5
    share = min(radius, length / 2) / length if length else 0
    return corner[0] + dx * share, corner[1] + dy * share


def _pair(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"
