"""Who wants to hear of what: a purge of one tag touches only those who asked for it. Pure but for what a stream is."""

import itertools
from collections.abc import Collection, Iterable, Iterator

from read_api.live.stream import Stream


class Subscribers:
    def __init__(self) -> None:
        self._broad: set[Stream] = set()
        self._by_tag: dict[str, set[Stream]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Stream]:
        """Every stream once, as of now."""
        return iter({*self._broad, *(stream for streams in self._by_tag.values() for stream in streams)})

    def add(self, stream: Stream) -> None:
        self._count += 1
        if stream.tags is None:
            self._broad.add(stream)
            return
        for tag in stream.tags:
            self._by_tag.setdefault(tag, set()).add(stream)

    def remove(self, stream: Stream) -> None:
        self._count -= 1
        if stream.tags is None:
            self._broad.remove(stream)
            return
        for tag in stream.tags:
            of_tag = self._by_tag[tag]
            of_tag.remove(stream)
            if not of_tag:
                del self._by_tag[tag]

    def broad(self) -> list[Stream]:
        """Those who asked for everything."""
        return list(self._broad)

    def concerned(self, tags: Collection[str]) -> Iterable[tuple[Stream, tuple[str, ...]]]:
        """Those who asked for some of these tags, with the ones they asked for, in the order given."""
        if len(tags) == 1:  # as for most changes of an event: nothing is made for each stream
            only = tuple(tags)
            return zip(list(self._by_tag.get(only[0], ())), itertools.repeat(only), strict=False)
        concerned: dict[Stream, tuple[str, ...]] = {}
        for tag in tags:
            for stream in self._by_tag.get(tag, ()):
                concerned[stream] = (*concerned.get(stream, ()), tag)
        return concerned.items()
