"""Central sums up to the fourth, which two parts add up to those of the whole.

P. Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
moments", Sandia report SAND2008-6212 (2008).
"""

import sys
from dataclasses import dataclass
from math import isfinite

_LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Moments:
    """Number of finite values, their mean, and the sums of the 2nd to 4th power of deviations from it.

    >>> Moments(2, 1.5, 0.5, 0.0, 0.125).merge(Moments(1, 3.0, 0.0, 0.0, 0.0)).mean
    2.0
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0
    m4: float = 0.0

    def merge(self, other: "Moments") -> "Moments":
        """Of both parts together. Sums beyond the range of floats stay at its end."""
        if not self.count or not other.count:
            return self if self.count else other
        a, b = float(self.count), float(other.count)
        n = a + b
        step = other.mean - self.mean
        part = step / n
        square = part * part  # products, not powers: these overflow to infinity without raising
        m2 = self.m2 + other.m2 + step * part * a * b
        m3 = self.m3 + other.m3 + step * square * a * b * (a - b) + 3 * part * (a * other.m2 - b * self.m2)
        m4 = (
            self.m4
            + other.m4
            + step * square * part * a * b * (a * a - a * b + b * b)
            + 6 * square * (a * a * other.m2 + b * b * self.m2)
            + 4 * part * (a * other.m3 - b * self.m3)
        )
        mean = self.mean + part * b
        return Moments(self.count + other.count, bounded(mean), bounded(m2), bounded(m3), bounded(m4))


def around_mean(count: int, origin: float, s1: float, s2: float, s3: float, s4: float) -> Moments:
    """Of sums of powers of deviations from any origin. Exact to rounding where the origin lies within the
    values.

    >>> around_mean(2, 1.0, 1.0, 1.0, 1.0, 1.0)
    Moments(count=2, mean=1.5, m2=0.5, m3=0.0, m4=0.125)
    """
    if not count:
        return NOTHING
    step = s1 / count
    square = step * step
    m2 = s2 - s1 * step
    m3 = s3 - 3 * step * s2 + 2 * square * s1
    m4 = s4 - 4 * step * s3 + 6 * square * s2 - 3 * square * step * s1
    return Moments(count, bounded(origin + step), bounded(max(m2, 0.0)), bounded(m3), bounded(max(m4, 0.0)))


def bounded(value: float) -> float:
    """The nearest finite float, for JSON knows no infinity; NaN (infinity less infinity) is the largest."""
    number = float(value)
    if isfinite(number):
        return number
    return -_LARGEST if number < 0 else _LARGEST


NOTHING = Moments()
