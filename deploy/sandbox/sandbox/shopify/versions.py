"""API versions, one a quarter: which are supported, and which one answers when another is asked for. Pure."""

import re
from dataclasses import dataclass

VERSION = re.compile(r"\d{4}-(01|04|07|10)|unstable")
UNSTABLE = "unstable"
SUPPORTED = 4  # each for a year


def next_version(version: str) -> str:
    year, month = int(version[:4]), int(version[5:])
    return f"{year + 1}-01" if month == 10 else f"{year}-{month + 3:02d}"  # noqa: PLR2004 - the last quarter


def previous_version(version: str) -> str:
    year, month = int(version[:4]), int(version[5:])
    return f"{year - 1}-10" if month == 1 else f"{year}-{month - 3:02d}"


@dataclass(frozen=True, slots=True)
class Versions:
    """From the oldest that is still supported to the latest; after it the candidate, which is not yet."""

    supported: tuple[str, ...]
    candidate: str

    @classmethod
    def of(cls, latest: str, oldest: str | None) -> "Versions":
        """`oldest` None: a year back. One after `latest` is the only one left."""
        if oldest is None:
            oldest = latest
            for _ in range(SUPPORTED - 1):
                oldest = previous_version(oldest)
        found = [oldest]
        while found[-1] < latest:
            found.append(next_version(found[-1]))
        return cls(tuple(found), next_version(found[-1]))

    def serving(self, asked: str) -> str | None:
        """An expired version falls forward to the oldest supported, silently; None for one that is not there yet."""
        if asked in {*self.supported, self.candidate, UNSTABLE}:
            return asked
        return self.supported[0] if asked < self.supported[0] else None

    def described(self, version: str) -> dict[str, object]:
        """As `ApiVersion`."""
        names = {self.supported[-1]: " (Latest)", self.candidate: " (Release candidate)"}
        return {
            "handle": version,
            "displayName": version + names.get(version, ""),
            "supported": version in self.supported,
        }

    def public(self) -> list[dict[str, object]]:
        return [self.described(version) for version in (*self.supported, self.candidate, UNSTABLE)]
