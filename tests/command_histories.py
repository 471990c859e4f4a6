"""Judge what became of commands by what the shop's own journal says was done to it. Pure.

A history is what was accepted (`Command`), what the jobs say at the end (`Became`), and what was done to the shop, in
its own order (`Deed`; `command_journal` reads them from the simulator's journal). Commands name themselves by their
values: no two ask for the same, except where a field has few values (a status); those are judged by what stood there
when it was their turn.

Commands of one lane take effect in the order of their acceptance. Those that another one superseded share its place:
all of them are one *unit*, which carries what the last of them asked of each field.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Value = str | None
Item = tuple[str, str, Value]  # of a thing, a field, its value

CREATED, ADJUSTED, DELETED = "created", "adjusted", "deleted"  # fields that say what was done, by which job
OPEN = frozenset({"queued", "dispatching"})
JOINED = frozenset({"superseded", "in_doubt"})  # the states of a job that shares the fate of another


@dataclass(frozen=True, slots=True)
class Command:
    """`orders`: its places among all that were accepted; one that an operator had retried has several.

    `thing`: "event:42", "ticket:7"; `asked`: by field, as `Deed` says it. `may`: what it may do besides, or not.
    """

    job: str
    lane: str
    orders: tuple[int, ...]
    thing: str
    asked: Mapping[str, Value]
    may: Mapping[str, Value] = field(default_factory=dict)
    acknowledged: bool = True  # its sender was answered 202; if not, it may have been accepted all the same

    def __str__(self) -> str:
        return f"{self.job} ({self.thing} {dict(self.asked)})"


@dataclass(frozen=True, slots=True)
class Became:
    """`status` and `superseded_by` of the job's public document."""

    status: str
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What one call set of one thing; a call that was refused did nothing.

    `ours`: a command's; else a merchant's, a buyer's. `anew`: it has an effect each time (a create, a sum to add).
    """

    sequence: int
    ours: bool
    lane: str
    thing: str
    says: Mapping[str, Value]
    anew: bool = False

    def items(self) -> list[Item]:
        return [(self.thing, name, value) for name, value in self.says.items()]


@dataclass(frozen=True, slots=True)
class Violation:
    promise: str
    about: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.about}"


@dataclass
class Unit:
    """Commands that share the place of their leader."""

    leader: Command
    state: str
    members: list[Command]

    @property
    def carries(self) -> dict[tuple[str, str], tuple[Value, Command]]:
        """By thing and field: what it has to set, and the command that asked for it last."""
        ordered = sorted(self.members, key=lambda member: member.orders[-1])
        return {(each.thing, name): (value, each) for each in ordered for name, value in each.asked.items()}

    def may(self, item: Item) -> bool:
        thing, name, value = item
        found = self.carries.get((thing, name))
        if found is not None and found[0] == value:
            return True
        return any(each.thing == thing and (name, value) in each.may.items() for each in self.members)


@dataclass
class Place:
    """A turn of a unit's. `done`: when each item had its one effect."""

    order: int
    unit: Unit
    done: dict[Item, int] = field(default_factory=dict)


def judge(
    commands: Sequence[Command],
    became: Mapping[str, Became],
    deeds: Iterable[Deed],
    *,
    settled: bool = True,
    excused: Container[str] = (),
) -> list[Violation]:
    """Everything that is wrong with a history. Empty: every promise was kept.

    `settled`: nothing may be open any more. `excused`: jobs that may be in doubt, because nobody can know.
    """
    found = [*unaccounted(commands, became, settled), *badly_superseded(commands, became)]
    done: dict[str, list[Deed]] = defaultdict(list)
    for deed in sorted(deeds, key=lambda deed: deed.sequence):
        done[deed.lane].append(deed)
    asked: dict[str, list[Command]] = defaultdict(list)
    for command in commands:
        asked[command.lane].append(command)
    for lane in {**asked, **done}:
        found += _Lane(asked[lane], became, done[lane], excused).violations()
    return found


def unaccounted(commands: Iterable[Command], became: Mapping[str, Became], settled: bool) -> Iterator[Violation]:
    """Every accepted job says what became of it (P8)."""
    for command in commands:
        job = became.get(command.job)
        if job is None and command.acknowledged:
            yield Violation("vanished", str(command))
        if job is not None and settled and job.status in OPEN:
            yield Violation(f"still {job.status}", str(command))


def badly_superseded(commands: Sequence[Command], became: Mapping[str, Became]) -> Iterator[Violation]:
    """Who was superseded names one of its event that was carried out."""
    known = {command.job: command for command in commands}
    for command in commands:
        job = became.get(command.job)
        if job is None or job.status != "superseded":
            continue
        leader = known.get(_leader(command.job, became))
        state = became.get(leader.job) if leader else None
        if leader is None or state is None or leader is command or leader.lane != command.lane:
            yield Violation("superseded by none of its event", str(command))
        elif state.status not in {"succeeded", *OPEN}:
            yield Violation(f"superseded by one that is {state.status}", f"{command} by {leader}")


def _leader(job: str, became: Mapping[str, Became]) -> str:
    for _ in range(len(became)):
        now = became.get(job)
        if now is None or now.status not in JOINED or now.superseded_by is None:
            return job
        job = now.superseded_by
    return ""  # a ring


class _Lane:
    """One event: its units in their order, and its deeds in theirs."""

    def __init__(
        self, commands: Sequence[Command], became: Mapping[str, Became], deeds: Sequence[Deed], excused: Container[str]
    ) -> None:
        self.became = became
        self.deeds = deeds
        self.excused = excused
        groups: dict[str, list[Command]] = defaultdict(list)
        for command in commands:
            groups[_leader(command.job, became)].append(command)
        known = {command.job: command for command in commands}
        units = [
            Unit(known[job], became[job].status, of) for job, of in groups.items() if job in known and job in became
        ]
        self.idle = [unit for unit in units if unit.state == "cancelled"]
        self.idle += [Unit(each, "unknown", [each]) for each in commands if each.job not in became]
        self.units = [unit for unit in units if unit.state != "cancelled"]
        places = (Place(order, unit) for unit in self.units for order in unit.leader.orders)
        self.places = sorted(places, key=lambda place: place.order)
        self.history: dict[tuple[str, str], list[tuple[int, Value]]] = defaultdict(list)

    def violations(self) -> list[Violation]:
        return [*self._jumped(), *self._followed(), *self._missing(), *self._doubtful()]

    def _jumped(self) -> Iterator[Violation]:
        """What a superseded command asked for doesn't move past a command of another unit."""
        for unit in self.units:
            carrying = {each.job for _, each in unit.carries.values()}
            for member in unit.members:
                if member.job not in carrying or member is unit.leader:
                    continue
                here, there = sorted((member.orders[-1], unit.leader.orders[-1]))
                for place in self.places:
                    if here < place.order < there and place.unit is not unit and place.unit.state != "failed":
                        yield Violation("moved past another", f"{member} past {place.unit.leader}")

    def _followed(self) -> Iterator[Violation]:
        """Each deed of ours that changed anything is the doing of the unit whose turn it was."""
        turn = 0
        for deed in self.deeds:
            changed = [item for item in deed.items() if deed.anew or self._stands(item) != (item[2],)]
            for thing, name, value in deed.items():
                self.history[thing, name].append((deed.sequence, value))
            if not deed.ours or not changed:
                continue
            at = self._whose(changed, turn)
            if at is None:
                yield from (self._blame(item, deed, turn) for item in changed)
                continue
            turn = at
            self.places[at].done |= dict.fromkeys(changed, deed.sequence)

    def _stands(self, item: Item) -> tuple[Value, ...]:
        """Empty when nobody has said anything of it yet."""
        said = self.history[item[:2]]
        return (said[-1][1],) if said else ()

    def _whose(self, items: Sequence[Item], turn: int) -> int | None:
        """The first place from `turn` on that carries all of them and hasn't yet; of one that failed only at need."""
        fits = [
            at
            for at, place in enumerate(self.places)
            if at >= turn and all(place.unit.may(item) and item not in place.done for item in items)
        ]
        return min(fits, key=lambda at: (self.places[at].unit.state == "failed", at)) if fits else None

    def _blame(self, item: Item, deed: Deed, turn: int) -> Violation:
        what = f"{item} at {deed.sequence}"
        for unit in self.idle:
            if unit.may(item):
                return Violation(f"effect of a command that is {unit.state}", f"{unit.leader}: {what}")
        asking = [(at, place) for at, place in enumerate(self.places) if place.unit.may(item)]
        if asking and all(item in place.done for _, place in asking):
            return Violation("effect twice", f"{asking[0][1].unit.leader}: {what}")
        for at, place in asking:
            if at < turn and item not in place.done:
                return Violation("overtaken", f"{place.unit.leader} by {self.places[turn].unit.leader}: {what}")
        if asking:
            return Violation("effect of several at once", what)
        for place in self.places:
            if any(each.thing == item[0] and item[1:] in each.asked.items() for each in place.unit.members):
                return Violation("what was superseded was carried", f"{place.unit.leader}: {what}")
        return Violation("effect of a command never accepted", what)

    def _missing(self) -> Iterator[Violation]:
        """Who succeeded has had its effect, when its turn was; who failed has not."""
        for unit in self.units:
            turns = [self._turn(at) for at, place in enumerate(self.places) if place.unit is unit]
            missing = [
                (each, (thing, name, value))
                for (thing, name), (value, each) in unit.carries.items()
                if not any(self._stood((thing, name, value), *turn) for turn in turns)
            ]
            if unit.state == "succeeded":
                for each, item in missing:
                    yield Violation("without effect", f"{each}: {item} by {unit.leader}")
            if unit.state == "failed" and not missing and any(p.done for p in self.places if p.unit is unit):
                yield Violation("failed with effect", str(unit.leader))

    def _turn(self, at: int) -> tuple[int, float]:
        """From when until when it was the turn of a place: after what came before, before what came after."""
        before = (moment for place in self.places[:at] for moment in place.done.values())
        after = (moment for place in self.places[at + 1 :] for moment in place.done.values())
        return max(before, default=0), min(after, default=float("inf"))

    def _stood(self, item: Item, since: int, until: float) -> bool:
        said = self.history[item[:2]]
        first = bisect_right(said, since, key=lambda one: one[0])
        within = said[max(first - 1, 0) : bisect_right(said, until, key=lambda one: one[0])]
        return any(value == item[2] for moment, value in within if moment < until)

    def _doubtful(self) -> Iterator[Violation]:
        """In doubt is only what nobody can read: somebody else has changed it, or it is gone."""
        for unit in self.units:
            if unit.state != "in_doubt" or unit.leader.job in self.excused:
                continue
            touched = {(unit.leader.thing, DELETED), (unit.leader.lane, DELETED), *unit.carries}
            if not any(touched & {item[:2] for item in deed.items()} for deed in self.deeds if _interferes(deed)):
                yield Violation("in doubt, though it could be read", str(unit.leader))


def _interferes(deed: Deed) -> bool:
    """Somebody else has changed what was there."""
    return not deed.ours and CREATED not in deed.says
