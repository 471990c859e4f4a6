"""How the simulation says no: run-time errors of GraphQL, and userErrors inside a payload.

Top-level shapes (docs/shopify.md 2.2): a run-time error has `data` and `extensions.cost`, a static one comes alone.
"""

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError


@dataclass(frozen=True, slots=True)
class UserError:
    """One entry of `userErrors`; `element_index` only for metafieldsSet."""

    field: list[str] | None
    message: str
    code: str | None = None
    element_index: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {"field": self.field, "message": self.message, "code": self.code}


class Refused(Exception):
    """The mutation is refused with these userErrors; nothing was changed."""

    def __init__(self, *errors: UserError) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = list(errors)


def refuse(field: list[str] | None, message: str, code: str | None = None) -> Refused:
    return Refused(UserError(field, message, code))


def runtime_error(message: str, code: str) -> GraphQLError:
    """An error of the run: the field is null and the code stands in its extensions."""
    return GraphQLError(message, extensions={"code": code})


def bad_request(message: str) -> GraphQLError:
    return runtime_error(message, "BAD_REQUEST")


def invalid_id(text: str) -> GraphQLError:
    return runtime_error(f"Invalid id: {text}" if text.startswith("gid://") else "invalid id", "RESOURCE_NOT_FOUND")


def not_simulated(what: str) -> GraphQLError:
    """The field exists in Shopify and is not simulated here; an invented value would be a lie."""
    return runtime_error(f"{what} is not simulated.", "NOT_SIMULATED")
