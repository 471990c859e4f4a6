"""The nearest tier: documents in this process' memory, bounded in bytes, dropped when PROJECTIONS says they changed.

An entry is *fresh* while nothing newer of its tag was heard and no announcement can have been missed. One that is not
stays as a *spare*, for when nothing else can answer (stale-if-error), until it is replaced or its room is needed.

Whatever breaks the feed ends a *generation*: every entry is a spare then, and a load that began in an earlier one is
not stored, since what was announced meanwhile was not heard. Nor is anything answered from here while the feed has been
silent for too long: a process that slept must not answer before it has heard what it missed.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Hashable
from sys import getsizeof
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from read_api import metrics
from read_api.feed import SILENCE
from shared.contracts import EventProjectedV1
from shared.tags import Document
from shared.tags.names import EVENTS, event_tag

if TYPE_CHECKING:
    from read_api.representations import Bodies, Representation

OVERHEAD = 900  # bytes of an entry beside its body, measured
ADDRESS_OVERHEAD = 512  # bytes of one address beside its text
MAX_ADDRESSES = 8  # of one entry: spellings of one question are for anyone to make up
LARGEST = 8  # one entry takes at most this part of the room, or it would drive out all others


class Pulse(Protocol):
    heard_at: float  # by the monotonic clock; -inf while announcements are missed


class Entry:
    """A document and its forms. `fresh`: may be answered. `used`: asked for since the last look for room."""

    __slots__ = ("addresses", "bodies", "coded", "document", "fresh", "key", "shown", "size", "stale_since", "used")

    def __init__(self, key: tuple[str, str], document: Document) -> None:
        self.key = key
        self.used = False
        self.size = 0
        self.addresses: dict[Hashable, int] = {}  # under which it is answered, and their bytes; oldest first
        self.show(document)

    def show(self, document: Document) -> None:
        self.document = document
        self.fresh = True
        self.stale_since = 0.0
        self.shown: dict[Hashable, Representation] = {}
        self.bodies: Bodies | None = None  # in each content coding, once they were asked for
        self.coded = 0  # bytes of those that were counted


class Address:
    """What is answered at one address: `entry` in the form of `representation`, as long as `named` says so.

    `named`: the document that says which event a handle belongs to, beside the entry that holds it.
    """

    __slots__ = ("entry", "named", "representation", "route")

    def __init__(
        self, route: str, entry: Entry, representation: "Representation", named: tuple[Entry, Document] | None
    ) -> None:
        self.route = route
        self.entry = entry
        self.representation = representation
        self.named = named

    @property
    def stands(self) -> bool:
        if not self.entry.fresh or self.representation.document is not self.entry.document:
            return False
        return self.named is None or (self.named[0].fresh and self.named[0].document is self.named[1])


class L1:
    """A listener of the feed. Eviction is CLOCK: a crawl through much that is asked for once drives out only itself."""

    def __init__(self, max_bytes: int, pulse: Pulse) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self.hits = 0
        self.misses = 0
        self.generation = 0
        self.addresses: dict[Hashable, Address] = {}
        self._pulse = pulse
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._fresh: defaultdict[str, set[Entry]] = defaultdict(set)  # by tag

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def trusted(self) -> bool:
        """Whether all that was announced until a moment ago was heard."""
        return monotonic() - self._pulse.heard_at < SILENCE

    def get(self, tag: str, name: str) -> Entry | None:
        """The entry, if it may be answered."""
        entry = self._entries.get((tag, name))
        if entry is None or not entry.fresh or not self.trusted:
            self.misses += 1
            return None
        self.hit(entry)
        return entry

    def hit(self, entry: Entry) -> None:
        """It is answered from here."""
        self.hits += 1
        metrics.HITS.inc()
        entry.used = True

    def spare(self, tag: str, name: str, limit: float) -> Document | None:
        """What was the answer until at most `limit` seconds ago."""
        entry = self._entries.get((tag, name))
        if entry is None or (not entry.fresh and monotonic() - entry.stale_since > limit):
            return None
        entry.used = True
        return entry.document

    def store(self, tag: str, name: str, document: Document, generation: int) -> Entry | None:
        """Keep what was loaded: as an answer, unless something may have been missed since its load began, in
        `generation`; then only as a spare, and None is returned.

        The caller vouches that it is not below the tag's floor.
        """
        size = len(document.body) + OVERHEAD + getsizeof(tag) + getsizeof(name)
        if size > self.max_bytes // LARGEST:
            return None
        whole = generation == self.generation and self.trusted
        entry = self._entries.get((tag, name))
        if entry is None:
            entry = self._entries[tag, name] = Entry((tag, name), document)
        elif entry.document.revision > document.revision or (
            entry.fresh and entry.document.revision == document.revision
        ):
            return entry if entry.fresh and whole else None
        else:
            self._resize(entry, sum(entry.addresses.values()))
            entry.show(document)
        self._fresh[tag].add(entry)
        if not whole:
            self._end(entry)
        self.grow(entry, size)
        return entry if entry.fresh else None

    def weigh(self, entry: Entry) -> None:
        """Count the codings that were made of it since."""
        if entry.bodies is not None and entry.bodies.coded != entry.coded:
            more, entry.coded = entry.bodies.coded - entry.coded, entry.bodies.coded
            self.grow(entry, more)

    def grow(self, entry: Entry, size: int) -> None:
        """Count `size` bytes more of an entry, and make room for them. It may itself have to go."""
        if self._entries.get(entry.key) is entry:
            self._resize(entry, entry.size + size)
            self._make_room()

    def point(self, target: Hashable, address: Address) -> None:
        """Answer `target` with that entry, without asking anyone, for as long as the address stands."""
        entry = address.entry
        if self._entries.get(entry.key) is not entry:
            return
        known = self.addresses.get(target)
        if known is not None:
            self._unpoint(known.entry, target)
        if len(entry.addresses) >= MAX_ADDRESSES:
            self._unpoint(entry, next(iter(entry.addresses)))
        self.addresses[target] = address
        entry.addresses[target] = ADDRESS_OVERHEAD + _length(target)
        self.grow(entry, entry.addresses[target])

    def heard(self, event: EventProjectedV1, *, late: bool, sequence: int) -> None:  # noqa: ARG002 (late or not, it is so)
        self.drop(event_tag(event.event_id), event.revision)
        if event.events_revision is not None:
            self.drop(EVENTS, event.events_revision)

    def interrupted(self) -> None:
        self._end_generation()

    def resumed(self, *, missed: bool) -> None:  # noqa: ARG002 (what is heard again may be below what was loaded meanwhile)
        self._end_generation()

    def _end_generation(self) -> None:
        self.generation += 1
        for entries in self._fresh.values():
            for entry in entries:
                _stale(entry)
        self._fresh.clear()

    def drop(self, tag: str, revision: int) -> None:
        """Whatever of this tag is below `revision`, which was heard or answered, is an answer no more."""
        entries = self._fresh.get(tag)
        if entries is None:
            return
        below = [entry for entry in entries if entry.document.revision < revision]
        for entry in below:
            _stale(entry)
        entries.difference_update(below)
        if not entries:
            del self._fresh[tag]

    def _make_room(self) -> None:
        while self.bytes > self.max_bytes:
            key, entry = next(iter(self._entries.items()))
            if entry.used:
                entry.used = False
                self._entries.move_to_end(key)
            else:
                self._evict(entry)

    def _evict(self, entry: Entry) -> None:
        for target in [*entry.addresses]:
            self._unpoint(entry, target)
        self._resize(entry, 0)
        del self._entries[entry.key]
        metrics.L1_EVICTED.inc()
        if entry.fresh:
            self._end(entry)

    def _end(self, entry: Entry) -> None:
        _stale(entry)
        of_tag = self._fresh[entry.key[0]]
        of_tag.discard(entry)
        if not of_tag:
            del self._fresh[entry.key[0]]

    def _unpoint(self, entry: Entry, target: Hashable) -> None:
        del self.addresses[target]
        self._resize(entry, entry.size - entry.addresses.pop(target))

    def _resize(self, entry: Entry, size: int) -> None:
        self.bytes += size - entry.size
        metrics.L1_BYTES.set(self.bytes)
        entry.size = size


def _stale(entry: Entry) -> None:
    entry.fresh = False
    entry.stale_since = monotonic()


def _length(target: Hashable) -> int:
    return sum(map(getsizeof, target)) if isinstance(target, tuple) else getsizeof(target)
