"""Judge what readers were answered: did a revision go back, was one old that had been visible for long? Pure.

A history is what readers saw (`Read`) and what else was visible (`Visible`), of one monotonic clock, in seconds. It may
come from any number of readers, processes and machines that share that clock, in any order.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

WINDOW = 1.0  # seconds: once visible anywhere, nothing older is answered that much later (P5)


@dataclass(frozen=True, slots=True)
class Read:
    """One answer. It may show what was true at any time between `began` and `ended`."""

    reader: str
    process: str
    tag: str
    began: float
    ended: float
    revision: int
    named: int = 0  # the revision that the reader has said it has seen (X-Min-Revision); 0: none
    excused: bool = False  # it says itself that it may be old (stale-if-error); it may not go back in its process
    document: str = ""  # of a list: one that is excused may be older than another list, not than itself

    def __str__(self) -> str:
        return (
            f"{self.reader} of {self.process} was answered {self.tag} at {self.revision} in {self.began:.4f} to "
            f"{self.ended:.4f}"
        )


@dataclass(frozen=True, slots=True)
class Visible:
    """From this time on a revision could be seen though nobody may have read it: it was committed and announced."""

    tag: str
    revision: int
    at: float

    def __str__(self) -> str:
        return f"{self.tag} was visible at {self.revision} from {self.at:.4f}"


@dataclass(frozen=True, slots=True)
class Violation:
    """`by`: seconds between what was known and the beginning of the read that was older."""

    promise: str
    read: Read
    known: Read | Visible | None = None
    by: float = 0.0

    def __str__(self) -> str:
        return f"{self.promise}: {self.read}" + (f", {self.by:.4f} s after: {self.known}" if self.known else "")


def judge(
    reads: Sequence[Read],
    visible: Sequence[Visible] = (),
    newest: Mapping[str, int] | None = None,
    settled: float = 0.0,
    window: float = WINDOW,
) -> list[Violation]:
    """Everything that is wrong with a history. Empty: every promise was kept.

    `newest`: the last revision of each tag, which every read that began after `settled` must show.
    """
    return [
        *went_back(reads),
        *below_what_was_named(reads),
        *outdated(reads, visible, window),
        *(unsettled(reads, newest, settled) if newest is not None else ()),
    ]


def went_back(reads: Iterable[Read], within: Callable[[Read], Hashable] | None = None) -> Iterator[Violation]:
    """In one process, a read that began after another had ended is not older. (`within` another group: in that.)

    Reads at the same time may come in any order.
    """
    groups: dict[Hashable, list[Read]] = defaultdict(list)
    for read in reads:
        groups[read.tag, within(read) if within else read.process].append(read)
    for group in groups.values():
        known = _Known((read.revision, read.ended, read) for read in group)
        lists: dict[str, _Known] = {
            document: _Known((read.revision, read.ended, read) for read in group if read.document == document)
            for document in {read.document for read in group if read.excused and read.document}
        }
        for read in group:
            earlier = (lists[read.document] if read.excused and read.document else known).above(read.revision)
            if earlier is not None and earlier[0] < read.began:
                yield Violation("went back", read, earlier[1], read.began - earlier[0])


def below_what_was_named(reads: Iterable[Read]) -> Iterator[Violation]:
    """A reader who says which revision it has seen is shown none below, whatever process answers."""
    for read in reads:
        if read.revision < read.named:
            yield Violation(f"{read.named} was named", read)


def outdated(reads: Sequence[Read], visible: Iterable[Visible] = (), window: float = WINDOW) -> Iterator[Violation]:
    """No read that begins `window` seconds after a revision was visible anywhere shows an older one."""
    for read, known, age in _ages(reads, visible):
        if known is not None and age >= window and not read.excused:
            yield Violation("outdated", read, known, age)


def ages(reads: Sequence[Read], visible: Iterable[Visible] = ()) -> list[float]:
    """For each read, the seconds for which something newer had been visible when it began; 0 for nothing newer."""
    return [age for _, _, age in _ages(reads, visible)]


def unsettled(reads: Iterable[Read], newest: Mapping[str, int], settled: float) -> Iterator[Violation]:
    """Once everything was heard everywhere, every answer is the newest.

    Raises:
        AssertionError: nobody read a tag after that, so nothing is shown.
    """
    unread = set(newest)
    for read in reads:
        if read.began < settled or read.tag not in newest:
            continue
        unread.discard(read.tag)
        if read.revision != newest[read.tag]:
            yield Violation(f"{newest[read.tag]} is the newest", read)
    if unread:
        raise AssertionError(f"nobody read {', '.join(sorted(unread))} at the end")


def _ages(reads: Sequence[Read], visible: Iterable[Visible]) -> Iterator[tuple[Read, Read | Visible | None, float]]:
    points: dict[str, list[tuple[int, float, Read | Visible]]] = defaultdict(list)
    for read in reads:
        points[read.tag].append((read.revision, read.ended, read))
    for each in visible:
        points[each.tag].append((each.revision, each.at, each))
    known = {tag: _Known(of_tag) for tag, of_tag in points.items()}
    for read in reads:
        earliest = known[read.tag].above(read.revision)
        if earliest is None or earliest[0] >= read.began:
            yield read, None, 0.0
        else:
            yield read, earliest[1], read.began - earliest[0]


class _Known:
    """When anything above a revision was known first, and from what."""

    def __init__(self, points: Iterable[tuple[int, float, Read | Visible]]) -> None:
        ordered = sorted(points, key=lambda point: point[0])
        self._revisions = [revision for revision, _, _ in ordered]
        self._earliest: list[tuple[float, Read | Visible]] = []
        for _, at, what in reversed(ordered):
            before = self._earliest[-1] if self._earliest else None
            self._earliest.append(before if before is not None and before[0] <= at else (at, what))
        self._earliest.reverse()

    def above(self, revision: int) -> tuple[float, Read | Visible] | None:
        place = bisect_right(self._revisions, revision)
        return self._earliest[place] if place < len(self._earliest) else None
