"""What can go wrong on the command line, and the exit code that says so. Pure."""

from enum import IntEnum

from shared.errors import Permanent, Unavailable


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2  # typer's own
    UNAVAILABLE = 3
    NOT_FOUND = 4
    RUN_FAILED = 5  # a run or a job came to nothing, or is in doubt; or the doctor found what it can't repair
    INTERRUPTED = 130


class ServerDown(Unavailable):
    """A server does not answer."""


class NotFound(Permanent):
    """There is no such thing."""


class Refused(Permanent):
    """That can't be done."""


class SettingMissing(Permanent):
    """A setting is missing from the environment."""


class SettingWrong(Permanent):
    """A setting, or the option that stands for it, can't be read."""


class Unconfirmed(Permanent):
    """Somebody has to agree, and nobody is here to be asked."""


def exit_code(error: Exception) -> Exit:
    match error:
        case Unavailable():
            return Exit.UNAVAILABLE
        case NotFound():
            return Exit.NOT_FOUND
        case SettingMissing() | SettingWrong() | Unconfirmed():
            return Exit.USAGE
    return Exit.FAILED
