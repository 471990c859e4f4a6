"""Every address of the OpenAPI document under generated commands: only what is promised, and no error of ours."""

import asyncio

import schemathesis
from commanding import ADMIN, Office, bearer
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sandbox.shopify.serving import serving

EXAMPLES = 8  # for each address
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def test_generated_commands_are_answered_as_promised(office: Office) -> None:
    async with serving(office.app) as url:
        seen = await asyncio.to_thread(ask_everything, url)
    assert {200, 202, 400, 404, 422} <= set(seen)
    assert len(seen) > 12 * EXAMPLES / 2


def ask_everything(url: str) -> list[int]:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    seen: list[int] = []
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.headers.pop("Prefer", None)  # nobody carries out what would be waited for
            if len(seen) % 2 and "event_id" in case.path_parameters:
                case.path_parameters["event_id"] = "42"
            answer = case.call(headers=bearer(ADMIN))
            seen.append(answer.status_code)
            case.validate_response(answer, checks=CHECKS)

        ask()
    return seen
