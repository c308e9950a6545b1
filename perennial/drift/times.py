"""What date-times tell: which stretch of time each side covers. It always moves on, which is no drift.

    earliest, latest change   in days
    span                      latest less earliest, in days
    overlap                   share of the current span that lies in the reference's

A batch that lies in the reference's own past, or spans years where it should span a day, shows here.
"""

from perennial.profile import NumberColumn

_DAY = 86_400.0


def time_statistics(reference: NumberColumn, current: NumberColumn) -> dict[str, float]:
    """The statistics of a date-time column; none where a side has no values.

    >>> def days(low, high):
    ...     return NumberColumn("datetime", 2, 0, 0, low * 86400.0, high * 86400.0, 0.0, 0.0, (), (2,))
    >>> found = time_statistics(days(0, 10), days(8, 12))
    >>> found["latest_change_days"], found["span_current_days"], found["overlap"]
    (2.0, 4.0, 0.5)
    """
    before, now = (reference.low, reference.high), (current.low, current.high)
    if before[0] is None or before[1] is None or now[0] is None or now[1] is None:
        return {}
    common = min(before[1], now[1]) - max(before[0], now[0])
    span = now[1] - now[0]
    return {
        "earliest_change_days": (now[0] - before[0]) / _DAY,
        "latest_change_days": (now[1] - before[1]) / _DAY,
        "span_reference_days": (before[1] - before[0]) / _DAY,
        "span_current_days": span / _DAY,
        "overlap": max(0.0, common) / span if span else float(common >= 0),
    }
