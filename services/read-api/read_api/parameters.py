"""What may be asked of a list, and the one spelling of each question. Pure."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from read_api import cursor as cursors
from read_api.audience import Audience

DEFAULT_LIMIT = 50
MAX_LIMIT = 250
USUAL_LIMITS = frozenset({10, 12, 20, 24, 25, 30, DEFAULT_LIMIT, 60, 100, MAX_LIMIT})  # what pages of events hold
MAX_TEXT = 255  # characters, as Shopify's own titles, types and tags
MAX_WORDS = 200  # characters of a full text search
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")


class Sort(StrEnum):
    STARTS_AT = "starts_at"
    STARTS_AT_DESCENDING = "-starts_at"
    TITLE = "title"
    TITLE_DESCENDING = "-title"
    UPDATED_AT = "updated_at"
    UPDATED_AT_DESCENDING = "-updated_at"

    @property
    def descending(self) -> bool:
        return self.value.startswith("-")

    @property
    def by(self) -> str:
        return self.value.removeprefix("-")


def _tidy(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _fold(value: Any) -> Any:
    return " ".join(value.lower().split()) if isinstance(value, str) else value


def _printable(value: str) -> str:
    if PRINTABLE.fullmatch(value) is None:
        raise ValueError("must not hold control characters")
    return value


def _rfc3339(value: Any) -> Any:
    if isinstance(value, str) and RFC3339.fullmatch(value) is None:
        raise ValueError("must be RFC 3339, as in 2026-12-01T19:00:00Z (a + in a URL is written %2B)")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT), BeforeValidator(_tidy), AfterValidator(_printable)]
Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS), BeforeValidator(_fold), AfterValidator(_printable)]
Instant = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc)]
MinRevision = Annotated[int, Field(ge=1, le=2**63 - 1)]
Status = Literal["active", "draft", "archived", "unlisted"]


class ListParameters(BaseModel):
    """The query string of `GET /v1/events`. Anything else in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Text | None = Field(None, description="Events of this category; the names are in `/v1/categories`.")
    tag: Text | None = Field(None, description="Events with this tag.")
    city: Text | None = Field(None, description="Events whose venue is in this city.")
    q: Words | None = Field(
        None,
        description='Full text: words that must all occur (the last may be a beginning), "a phrase", -without, or.',
        examples=["jazz berl"],
    )
    starts_after: Instant | None = Field(
        None, description="Events that start at this time or later.", examples=["2026-12-01T00:00:00Z"]
    )
    starts_before: Instant | None = Field(
        None, description="Events that start before this time.", examples=["2027-01-01T00:00:00Z"]
    )
    available: bool | None = Field(None, description="`true`: events with tickets left; `false`: sold out ones.")
    sort: Sort = Field(
        Sort.STARTS_AT,
        description="`-` is descending. Events without a start come last either way. `updated_at` is the last change "
        "that a list shows: a sale is none.",
    )
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="Most events on a page.")
    cursor: str | None = Field(
        None, min_length=1, max_length=cursors.MAX_LENGTH, description="`next_cursor` of the page before, unchanged."
    )
    min_revision: MinRevision | None = Field(
        None, description="The same as `X-Min-Revision`, for where a CDN stands between."
    )


class ManageListParameters(ListParameters):
    """The query string of `GET /v1/manage/events`."""

    status: Status | None = Field(None, description="Events of this status; all when it is left out.")


@dataclass(frozen=True, slots=True)
class Question:
    """A list that was asked for. Equal questions are equal, however they were spelled."""

    audience: Audience
    parameters: ListParameters
    after: cursors.Position | None

    @property
    def status(self) -> str | None:
        return self.parameters.status if isinstance(self.parameters, ManageListParameters) else None

    @property
    def name(self) -> str:
        """The document's name among those of its tag."""
        text = f"{self.audience}?{self.query(self.parameters.cursor)}"
        return f"list:{hashlib.blake2s(text.encode(), digest_size=16).hexdigest()}"

    @property
    def is_usual(self) -> bool:
        """Many ask this, so that all share one stored answer.

        The rest is for anyone to mint without end (words, instants, sizes; a cursor is cheap to collect), and would
        take the room of what everybody reads: it is read from PostgreSQL, by all who ask at once together.
        """
        asked = self.parameters
        minted = (asked.q, asked.starts_after, asked.starts_before, asked.cursor)
        return asked.limit in USUAL_LIMITS and all(value is None for value in minted)

    def query(self, cursor: str | None) -> str:
        """The canonical query string of this list, at `cursor`."""
        asked = _spelled(self.parameters) | {"limit": str(self.parameters.limit)}
        if cursor is not None:
            asked["cursor"] = cursor
        return urlencode(sorted(asked.items()))

    def next_cursor(self, position: cursors.Position) -> str:
        return cursors.encode(_bound(self.audience, self.parameters), position)


def ask(audience: Audience, parameters: ListParameters) -> Question:
    """Raises InvalidCursor."""
    if parameters.cursor is None:
        return Question(audience, parameters, None)
    timed = parameters.sort.by != Sort.TITLE
    after = cursors.decode(_bound(audience, parameters), parameters.cursor, timed=timed)
    undated = parameters.sort.by == Sort.STARTS_AT and not (parameters.starts_after or parameters.starts_before)
    if after.place is None and not undated:
        raise cursors.InvalidCursor("the cursor can't be read")
    return Question(audience, parameters, after)


def _bound(audience: Audience, parameters: ListParameters) -> str:
    """What a cursor belongs to: everything but the page's size and place."""
    return f"{audience}?{urlencode(sorted(_spelled(parameters).items()))}"


def _spelled(parameters: ListParameters) -> dict[str, str]:
    asked = parameters.model_dump(exclude={"limit", "cursor", "min_revision"}, exclude_none=True)
    return {name: _spell(value) for name, value in asked.items()}


def _spell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)
