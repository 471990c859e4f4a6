"""The doctor, through every real part: what it mends comes back, and a canary flies through."""

from typing import Any

import httpx2
from repairs import carried_out, ended, none_is_due
from whole_system import Running

DELETE = """mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { userErrors { message } } }"""


async def admin(running: Running, query: str, **variables: Any) -> dict[str, Any]:
    """As the app asks Shopify."""
    plan = running.system.plan
    answer = await running.http.post(
        f"{plan.shopify_url}/admin/api/2026-10/graphql.json",
        json={"query": query, "variables": variables},
        headers={"X-Shopify-Access-Token": plan.credentials.shopify_token},
    )
    assert answer.status_code == httpx2.codes.OK, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def subscriptions(running: Running) -> dict[str, str]:
    """Their ids by topic."""
    data = await admin(running, "{ webhookSubscriptions(first: 250) { nodes { id topic } } }")
    return {node["topic"]: node["id"] for node in data["webhookSubscriptions"]["nodes"]}


def states(row: dict[str, Any]) -> dict[str, set[str]]:
    """By check."""
    found: dict[str, set[str]] = {}
    for finding in row["report"]["findings"]:
        found.setdefault(finding["check"], set()).add(finding["state"])
    return found


async def test_after_all_subscriptions_were_deleted_a_visit_brings_back_them_and_what_was_edited(
    running: Running,
) -> None:
    await none_is_due(running)  # one that has begun would be no answer to the doctor, who would ask again much later
    edited, deleted = [(await running.new_event(title))["id"] for title in ("Edited Unseen", "Deleted Unseen")]
    before = await subscriptions(running)
    for number in before.values():
        await admin(running, DELETE, id=number)
    await running.shop.edit(edited, title="Edited, and seen")
    await running.shop.delete(deleted)
    created = (await running.shop.create("Created Unseen", [{"title": "Standing", "price": "5.00", "quantity": 3}]))[
        "id"
    ]
    assert (await running.event(edited)).json()["title"] == "Edited Unseen"

    visit = await carried_out(running, "doctor", "check")

    assert "repaired" in states(visit)["subscriptions"]
    assert set(await subscriptions(running)) == set(before)
    [asked] = await running.sql(
        "SELECT id FROM runs WHERE kind = 'reconcile' AND options ? 'since' ORDER BY id DESC LIMIT 1"
    )
    assert (await ended(running, asked["id"]))["state"] == "succeeded"
    await running.equal([edited, deleted, created])
    assert (await running.event(edited)).json()["title"] == "Edited, and seen"
    assert (await running.event(created)).status_code == httpx2.codes.OK
    assert (await running.event(deleted)).status_code == httpx2.codes.NOT_FOUND


async def test_a_visit_of_a_healthy_system_finds_nothing_failed_and_changes_nothing(running: Running) -> None:
    await running.new_event("Well")
    await carried_out(running, "doctor", "check")
    before = await subscriptions(running)

    visit = await carried_out(running, "doctor", "check")

    assert [finding for finding in visit["report"]["findings"] if finding["state"] == "failed"] == []
    assert await subscriptions(running) == before
    for check in ("subscriptions", "scopes", "api_version", "webhooks", "changes", "clock_shopify", "clock_postgres"):
        assert states(visit)[check] == {"ok"}, visit["report"]


async def test_a_canary_flies_through_and_leaves_nothing_behind(running: Running) -> None:
    products = (await running.shop.state())["products"]

    flight = await carried_out(running, "doctor", "canary")

    assert states(flight) == {"canary_create": {"ok"}, "canary_edit": {"ok"}, "canary_delete": {"ok"}}, flight["report"]
    assert (await running.shop.state())["products"] == products
    await running.settled()
