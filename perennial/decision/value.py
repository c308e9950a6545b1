"""Does a training pay? The expected loss of waiting against the price of a training and the chance it helps.

    loss      L = E max(0, drop) x error_cost x predictions_per_day x horizon
    chance    P = (1 + k) / (2 + n): of n earlier trainings k were promoted and stayed; prior Beta(1, 1)
    share     R = (2 d + sum of min(gain, d) over those k whose gain is known) / (2 + their number) / d
              of the loss that a training which helps wins back, d = E max(0, drop); the prior counts as two
              earlier trainings that won back all of it
    pays      where P R L is at least the price

The drop is normal, with the mean and the interval of 0.95 that labels or the estimate give; the gains are
those on the holdout.
"""

from dataclasses import dataclass

from perennial.config_fields import in_days
from perennial.cost import in_words
from perennial.decision.evidence import Evidence
from perennial.decision.performance import Known, expected_loss, known
from perennial.policy_config import ValueModel
from perennial.words import counted

_PRIOR = 2.0


@dataclass(frozen=True)
class Worth:
    """Dollars over the horizon: `loss` of waiting, `saved` by a training on the average, its `price`."""

    loss: float
    saved: float
    price: float
    chance: float
    words: str

    @property
    def pays(self) -> bool:
        """Is a training worth its price?"""
        return self.saved >= self.price


def worth(evidence: Evidence, value: ValueModel) -> Worth | None:
    """None where the champion's performance or the price of a training is not known."""
    found = known(evidence)
    price = evidence.costs.expected if evidence.costs else None
    if found is None or price is None:
        return None
    errors = expected_loss(found) * found.per_prediction
    dollars = value.error_cost * value.predictions_per_day * (value.horizon.total_seconds() / 86_400)
    trials = evidence.trials
    helped = [item for item in trials if item.outcome == "promoted"]
    chance = (1 + len(helped)) / (2 + len(trials))
    gains = [min(max(item.gain, 0.0), errors) for item in helped if item.gain is not None]
    won = (_PRIOR * errors + sum(gains)) / (_PRIOR + len(gains))
    loss, saved = errors * dollars, chance * won * dollars
    return Worth(loss, saved, price, chance, _words(found, value, loss, saved, price, chance, len(trials)))


def _words(
    found: Known, value: ValueModel, loss: float, saved: float, price: float, chance: float, trials: int
) -> str:
    each = "wrong prediction" if found.summary.higher_is_better else f"unit of {found.summary.metric}"
    tried = counted(trials, "earlier training") if trials else "no earlier training"
    return (
        f"waiting {in_days(value.horizon)} would lose {in_words(loss)} on the average "
        f"({value.predictions_per_day:,.6g} predictions a day, {in_words(value.error_cost)} for a {each}); "
        f"a training at {in_words(price)} helps with a chance of {chance:.0%} (by {tried}) and would save "
        f"{in_words(saved)}"
    )
