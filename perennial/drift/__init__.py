"""Drift detection: each statistic a file, one entry (`detect_drift`), one report. numpy and scipy.special
only.
"""

from perennial.drift.detect import detect_drift
from perennial.drift.performance import PerformanceChange, compare_performance
from perennial.drift.report import ColumnDrift, DriftReport

__all__ = ["ColumnDrift", "DriftReport", "PerformanceChange", "compare_performance", "detect_drift"]
