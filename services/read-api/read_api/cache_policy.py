"""What caches on the way may keep, and how they are told. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from read_api.audience import Audience

NO_STORE = "no-store"  # of whatever declares nothing else


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """The headers of a cacheable answer, one place for all routes."""

    public: str
    cdn: str | None
    organizer: str

    def headers(self, audience: Audience) -> Mapping[str, str]:
        """What needs a token is never public, and names the header that it depends on."""
        match audience:
            case Audience.PUBLIC if self.cdn is None:
                return {"Cache-Control": self.public}
            case Audience.PUBLIC:
                return {"Cache-Control": self.public, "CDN-Cache-Control": self.cdn or ""}
            case Audience.ORGANIZER:
                return {"Cache-Control": self.organizer, "Vary": "Authorization"}
