"""The tests of the table as a whole, and what they leave of the error rate to the columns."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

from perennial.config import DriftPolicy
from perennial.drift.cauchy import cauchy_combination
from perennial.drift.correlation import Structure, change_of_structure
from perennial.drift.evidence import ColumnEvidence
from perennial.drift.family import CLASSIFIER, CORRELATIONS, RECENT, RESERVE, TOGETHER, adjust
from perennial.drift.multivariate import MultivariateChange
from perennial.drift.table_test import TableTest
from perennial.drift.together import sum_of_squares_p, typical_shift


def compare_tables(
    pair: Structure | None,
    evidence: Mapping[str, ColumnEvidence],
    weights: Mapping[str, float],
    multivariate: MultivariateChange | None,
    recent: TableTest | None,
    policy: DriftPolicy,
) -> tuple[tuple[TableTest, ...], float]:
    """The table's tests, and the columns' share of the error rate. `pair`: the correlations of both sides."""
    tests = [_together(evidence, weights, pair, policy), _correlations(pair, policy)]
    tests += [_classifier(multivariate, policy), recent]
    shares = (TOGETHER, CORRELATIONS, CLASSIFIER, RECENT)
    spent = sum(share for share, test in zip(shares, tests, strict=True) if test is not None)
    return tuple(test for test in tests if test is not None), 1 - spent - RESERVE


def _together(
    evidence: Mapping[str, ColumnEvidence],
    weights: Mapping[str, float],
    pair: Structure | None,
    policy: DriftPolicy,
) -> TableTest | None:
    tested = {name: found for name, found in evidence.items() if found.tests}
    if len(tested) < 2:
        return None
    inside = [name for name in (pair.names if pair else ()) if name in tested and tested[name].z is not None]
    p_values = [found.p_value for name, found in tested.items() if name not in inside]
    sizes = [1.0] * len(p_values)
    if pair and len(inside) > 1:
        places = [pair.names.index(name) for name in inside]
        z = -ndtri(np.clip([tested[name].location_p / 2 for name in inside], 1e-300, 0.5))
        p_values.append(sum_of_squares_p(z, pair.pooled[np.ix_(places, places)], pair.rows))
        sizes.append(float(len(inside)))
    p = cauchy_combination(p_values, sizes)
    moved = [(weights.get(name, 1.0), found) for name, found in tested.items() if found.z is not None]
    effect = typical_shift([w * f.shift for w, f in moved], [w * f.error for w, f in moved])
    adjusted = adjust(p, TOGETHER)
    significant = adjusted < policy.alpha
    return TableTest(
        "many small shifts",
        p,
        adjusted,
        significant,
        significant and effect >= policy.min_effect,
        effect,
        f"many columns shifted together, by about {effect:.2f} sd",
    )


def _correlations(pair: Structure | None, policy: DriftPolicy) -> TableTest | None:
    if pair is None:
        return None
    change = change_of_structure(pair)
    adjusted = adjust(change.p_value, CORRELATIONS)
    significant = adjusted < policy.alpha
    return TableTest(
        "correlations",
        change.p_value,
        adjusted,
        significant,
        significant and change.effect >= policy.min_correlation_change,
        change.effect,
        f"correlation of {change.first} and {change.second} {change.before:+.2f} → {change.now:+.2f}",
    )


def _classifier(change: MultivariateChange | None, policy: DriftPolicy) -> TableTest | None:
    if change is None:
        return None
    adjusted = adjust(change.p_value, CLASSIFIER)
    significant = adjusted < policy.alpha
    return TableTest(
        "domain classifier",
        change.p_value,
        adjusted,
        significant,
        significant and change.effect >= policy.min_effect,
        change.effect,
        f"a classifier tells current rows from the reference's (AUC {change.auc:.2f})",
    )
