"""What all mutations share: one action around the effect, or userErrors instead; a journal entry either way."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify.context import Info, request_of
from sandbox.shopify.refusals import Refused
from sandbox.shopify.shop import Action

Payload = dict[str, Any]


def perform(info: Info, arguments: Any, effect: Callable[[Action], Payload], empty: tuple[str, ...]) -> Payload:
    """Run the effect as one action.

    Args:
        info: of the mutation's field.
        arguments: for the journal.
        effect: checks first, then changes; raises `Refused` before its first change.
        empty: the payload's fields that are null when refused.

    """
    request = request_of(info)
    with request.shop.action(info.field_name, "admin", arguments, request.admission) as action:
        if request.refusal:
            return _refused(action, Refused(*request.refusal), empty)
        try:
            payload = effect(action)
        except Refused as refused:
            return _refused(action, refused, empty)
    return {"userErrors": [], **payload}


def _refused(action: Action, refused: Refused, empty: tuple[str, ...]) -> Payload:
    action.user_errors = [error.as_json() for error in refused.errors]
    return refused_payload(refused, empty)


def refused_payload(refused: Refused, empty: tuple[str, ...]) -> Payload:
    errors = [
        {"field": e.field, "message": e.message, "code": e.code, "elementIndex": e.element_index}
        for e in refused.errors
    ]
    return {**dict.fromkeys(empty), "userErrors": errors}
