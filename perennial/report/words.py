"""The words and signs for outcomes and triggers, the same on the page and in the terminal."""

from perennial.contracts.words import Outcome, TriggerKind

OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "promoted": ("▲", "promoted"),
    "skipped": ("–", "skipped"),  # noqa: RUF001 - a dash, to be seen
    "quarantined": ("◆", "quarantined"),
    "rejected": ("✕", "rejected"),
    "rolled_back": ("↺", "rolled back"),
    "failed": ("■", "failed"),
}
TRIGGERS: dict[TriggerKind | None, str] = {
    "schedule": "schedule",
    "upload": "upload",
    "alarm": "alarm",
    "on_demand": "by hand",
    None: "unknown",
}
STARTED: dict[TriggerKind | None, str] = {
    "schedule": "by a schedule",
    "upload": "by an upload",
    "alarm": "by an alarm",
    "on_demand": "by hand",
    None: "by something unknown",
}


def seconds(value: float) -> str:
    """A duration as people say it.

    >>> seconds(0.04), seconds(1.25), seconds(12.34), seconds(95)
    ('0.04 s', '1.2 s', '12 s', '1 min 35 s')
    """
    if value >= 60:
        return f"{int(value) // 60} min {int(value) % 60} s"
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s" if value >= 0.1 else f"{value:.2f} s"


def figure(value: float | None) -> str:
    """A statistic, short.

    >>> figure(0.03461), figure(1.2e-14), figure(58.0), figure(None)
    ('0.0346', '< 0.0001', '58', 'none')
    """
    if value is None:
        return "none"
    if 0 < abs(value) < 1e-4:
        return "< 0.0001" if value > 0 else "> -0.0001"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def chance(p_value: float | None) -> str:
    """A p-value, short; none is nought.

    >>> chance(0.0), chance(0.03461), chance(None)
    ('< 0.0001', '0.0346', 'none')
    """
    return "< 0.0001" if p_value is not None and p_value < 1e-4 else figure(p_value)


def champion(version: int | None) -> str:
    """A version's short name.

    >>> champion(3), champion(None)
    ('v3', 'none')
    """
    return "none" if version is None else f"v{version}"
