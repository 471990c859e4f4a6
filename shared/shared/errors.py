"""The one question an error answers: would it help to try again?

UnderstudyError
├── Transient            may succeed later: redelivered with a growing delay, buried after its last attempt
│   ├── Unavailable      a server we live on is away: redelivered for as long as it takes, never buried
│   └── Occupied         another process is at it: redelivered in a moment, however often, never buried
└── Permanent            never will succeed: buried at once, with its reason
"""


class UnderstudyError(Exception):
    """Something named went wrong."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip()


class Transient(UnderstudyError):
    """It may succeed later."""


class Unavailable(Transient):
    """A server that this part lives on is away."""


class Occupied(Transient):
    """Another process is at it right now."""


class Permanent(UnderstudyError):
    """It never will succeed."""
