"""Begin to send without a task of one's own: most sends are over as soon as they have begun.

Handing a chunk to granian takes 2 µs and is done, as long as the client reads (it queues 4, then waits for the socket).
Only for a client that has fallen behind is there something to wait for, and a task that waits.
"""

import types
from collections.abc import Awaitable, Generator
from typing import Any


def begin(sending: Awaitable[Any]) -> Awaitable[None] | None:
    """None: it is done. Else what remains, to be awaited by a task. Raises what sending raises."""
    steps = sending.__await__()
    try:
        waits_for = next(steps)
    except StopIteration:
        return None
    return _rest(steps, waits_for)


@types.coroutine
def _rest(steps: Generator[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, None]:
    """As `await` would have gone on, from what it would wait for now."""
    while True:
        interruption: BaseException | None = None
        try:
            yield waits_for
        except BaseException as error:  # a cancellation, most of all: it is meant for what is awaited
            if not hasattr(steps, "throw"):  # granian's own awaitables: cancelled with the task that waits for them
                raise
            interruption = error
        try:
            waits_for = next(steps) if interruption is None else steps.throw(interruption)
        except StopIteration:
            return
