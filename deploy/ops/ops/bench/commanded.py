"""What is commanded, and whether it took effect in the order in which it was commanded. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COST = 10  # points: productUpdate with nothing connected, whoever sends it

Effect = tuple[str, str]  # ("title", "Edited 7") or ("status", "DRAFT")


@dataclass(frozen=True, slots=True)
class Command:
    """`effect`: what becomes of the event, in Shopify's words."""

    event_id: str
    effect: Effect


def apart(event_ids: Sequence[str], number: int, label: str) -> list[Command]:
    """Event by event, round by round: titles and states by turns, so that none can be merged with its neighbour."""
    between = (None, "DRAFT", None, "ARCHIVED")
    made = []
    for place in range(number):
        state = between[place // len(event_ids) % len(between)]
        effect = ("title", f"{label} {place}") if state is None else ("status", state)
        made.append(Command(event_ids[place % len(event_ids)], effect))
    return made


def alike(event_ids: Sequence[str], number: int, label: str) -> list[Command]:
    """Titles alone: those of one event that wait together can be one mutation."""
    return [Command(event_ids[place % len(event_ids)], ("title", f"{label} {place}")) for place in range(number)]


def disorder(
    commands: Sequence[Command], effects: Mapping[str, Sequence[Effect]], *, finals: Mapping[str, Mapping[str, str]]
) -> int:
    """How often an effect came after one that was commanded later, or an event did not end as it was commanded to.

    `effects`: by event, in the order in which Shopify carried them out; some may be missing, for they were merged.
    `finals`: title and status of each event in the end; events that are not named are not judged by it.
    """
    wanted: dict[str, list[Effect]] = {}
    for command in commands:
        wanted.setdefault(command.event_id, []).append(command.effect)
    return sum(
        _late(in_order, effects.get(event_id, ())) + _unlike(in_order, finals.get(event_id))
        for event_id, in_order in wanted.items()
    )


def _late(wanted: Sequence[Effect], happened: Sequence[Effect]) -> int:
    late, place = 0, 0
    for effect in happened:
        try:
            place = wanted.index(effect, place) + 1
        except ValueError:
            late += 1
    return late


def _unlike(wanted: Sequence[Effect], final: Mapping[str, str] | None) -> int:
    return 0 if final is None else int(any(final[name] != value for name, value in dict(wanted).items()))
