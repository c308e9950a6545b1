"""Deliver Champion: after every change of the champion, lay it ready where a pipeline picks it up."""

from perennial.aws.handler import name_model, task
from perennial.aws.wiring import Services
from perennial.contracts.promotion import ChampionChanged, DeliveredChampion


@task(ChampionChanged)
def handler(event: ChampionChanged, services: Services) -> DeliveredChampion:
    """What the event says may be overtaken: delivered is who serves now. Repeating it is harmless."""
    model = event.detail.model
    name_model(model)
    return DeliveredChampion(model=model, version=services.delivery.deliver(model))
