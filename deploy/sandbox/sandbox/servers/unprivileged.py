"""Run a command as nobody: PostgreSQL refuses to run as root.

As root, a command is started through this very file, which gives its rights away and becomes the command. Where the way
to a file leads through directories that are closed to others (/root, somebody's home), one right is kept: to pass
through directories. Changing those directories' modes would be the alternative, and not ours to do.
"""

import ctypes
import os
import pwd
import struct
import sys
from pathlib import Path

ACCOUNT = "nobody"

# linux/prctl.h, linux/capability.h
_PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 8, 47, 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def needed() -> bool:
    return os.geteuid() == 0


def command(argv: list[str], *paths: Path) -> list[str]:
    """`argv`, such that it runs without root's rights and can reach `paths`. Unchanged when we are not root."""
    if not needed():
        return argv
    closed = any(_is_closed(path) for path in paths)
    return [sys.executable, "-I", "-S", __file__, "search" if closed else "plain", *argv]


def hand_over(directory: Path) -> None:
    """Make the directory and all in it belong to the account that `command` runs as. Nothing when we are not root."""
    if not needed():
        return
    account = pwd.getpwnam(ACCOUNT)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def _is_closed(path: Path) -> bool:
    """True when a directory above `path` lets others not pass."""
    return any(not parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def main() -> None:
    rights, *argv = sys.argv[1:]
    account = pwd.getpwnam(ACCOUNT)
    libc = ctypes.CDLL(None, use_errno=True)
    if rights == "search":
        _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    if rights == "search":
        _keep_search(libc)
    os.execv(argv[0], argv)  # noqa: S606  # that is the point of this file


def _keep_search(libc: ctypes.CDLL) -> None:
    """Keep CAP_DAC_READ_SEARCH; where root itself lacks it (containers), CAP_DAC_OVERRIDE."""
    for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
        bits = 1 << capability
        header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
        data = struct.pack("6I", bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable; low and high words
        if libc.capset(header, data) == 0:
            _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))
            return
    _checked(-1)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
