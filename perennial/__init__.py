"""Perennial keeps a deployed scikit-learn model alive on AWS.

>>> from perennial import Profile, detect_drift
>>> reference = {"petal_length": [1.0, 1.4, 4.5, 5.1] * 30}
>>> baseline = Profile.of(reference)
>>> detect_drift(baseline, Profile.of(reference, like=baseline)).drifted
False
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perennial.drift import DriftReport, detect_drift
    from perennial.profile import Profile

__all__ = ["DriftReport", "Profile", "detect_drift"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: a bare `import perennial` stays as light as the smallest
    handler needs.
    """
    if name == "Profile":
        from perennial.profile import Profile

        return Profile
    if name in __all__:
        from perennial import drift

        return getattr(drift, name)
    raise AttributeError(f"module 'perennial' has no attribute {name!r}")
