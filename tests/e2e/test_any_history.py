"""Hypothesis plays merchant, buyer, writer and post against the running system; once settled, it equals Shopify."""

import asyncio
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from our_edits import job_of, our_edits, publish
from postbox import Letter
from shop_control import Json, metafield
from whole_system import Running

from shared.contracts import Change

T = TypeVar("T")

EXAMPLES = int(os.environ.get("UNDERSTUDY_EXAMPLES", "8"))
STEPS = 20
STEP_WITHIN = 60.0  # seconds
MOST_EVENTS, MOST_TICKETS = 3, 4

titles = st.sampled_from(["Jazz Night", "Zugabe 🎷", "ערב תיאטרון", "ليلة موسيقية", "<b>Bold & Co.</b>", "a/b\\c"])
prices = st.integers(0, 99_999).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
statuses = st.sampled_from(["active", "active", "draft", "archived", "unlisted"])
picks = st.integers(0, 10_000)  # of however many there are: drawn alike, whatever the system does
event_fields = st.sampled_from(["event.subtitle", "event.venue_city", "event.category", "event.organizer"])
words = st.one_of(st.none(), st.sampled_from(["Köln", "music", "x"]))


class AnyHistory(RuleBasedStateMachine):
    """Webhooks lie at the post until a rule delivers some of them, in any order, perhaps twice. None is lost.

    So do the answers to our own mutations, which the writer would observe.
    """

    def __init__(self, running: Running, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.running = running
        self.loop = loop
        self.living: list[int] = []
        self.known: set[int] = set()
        self.delivered: list[Letter] = []
        self.answers: list[Change] = []
        self.observed: list[Change] = []
        self.tickets_made = 0
        self.holding = running.postbox.holding()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(STEP_WITHIN)

    @initialize()
    def open_the_post(self) -> None:
        self.letters = self.holding.__enter__()
        self.locations = self.do(self.running.shop.locations())
        self.create("First", "10.00", 20, 5)

    def teardown(self) -> None:
        try:
            self.settle(chosen=[])
        finally:
            self.holding.__exit__(None, None, None)
            for event_id in self.living:
                self.do(self.running.shop.delete(event_id))
            self.do(self.running.settled())

    # The merchant and the buyer

    @precondition(lambda self: len(self.living) < MOST_EVENTS)
    @rule(title=titles, price=prices, here=st.integers(0, 50), there=st.integers(0, 50))
    def create(self, title: str, price: str, here: int, there: int) -> None:
        stock = {self.locations[0]: here, self.locations[1]: there}
        made = self.do(self.running.shop.create(title, [{"title": "Standing", "price": price, "quantities": stock}]))
        self.living.append(made["id"])
        self.known.add(made["id"])

    @rule(event=picks, title=titles, status=statuses)
    def rewrite(self, event: int, title: str, status: str) -> None:
        if found := self.event(event):
            self.do(self.running.shop.edit(found["id"], title=title, status=status))

    @rule(event=picks, name=event_fields, value=words)
    def set_field(self, event: int, name: str, value: str | None) -> None:
        if found := self.event(event):
            self.do(self.running.shop.edit(found["id"], metafields=[metafield(name, value)]))

    @rule(ticket=picks, capacity=st.integers(0, 500).map(str), visible=st.sampled_from(["true", "false"]))
    def set_ticket_fields(self, ticket: int, capacity: str, visible: str) -> None:
        fields = [
            metafield("ticket.capacity", capacity, "number_integer"),
            metafield("ticket.visible", visible, "boolean"),
        ]
        if found := self.ticket(ticket):
            self.edit_found(found, metafields=fields)

    @rule(ticket=picks, price=prices, tracked=st.booleans())
    def edit_ticket(self, ticket: int, price: str, tracked: bool) -> None:
        if found := self.ticket(ticket):
            self.edit_found(found, price=price, tracked=tracked)

    @rule(ticket=picks, place=picks)
    def sell(self, ticket: int, place: int) -> None:
        found = self.ticket(ticket)
        left = [level["location_id"] for level in found["levels"] if level["available"] > 0] if found else []
        if found and left:
            self.do(self.running.shop.sell(found["id"], 1, left[place % len(left)]))

    @rule(ticket=picks, available=st.one_of(st.none(), st.integers(0, 60)), place=picks)
    def stock(self, ticket: int, available: int | None, place: int) -> None:
        if found := self.ticket(ticket):
            location = self.locations[place % len(self.locations)]
            self.do(self.running.shop.stock(found["id"], available, location))

    @rule(event=picks, price=prices, quantity=st.integers(0, 60))
    def add_ticket(self, event: int, price: str, quantity: int) -> None:
        found = self.event(event)
        if found and len(found["variants"]) < MOST_TICKETS:
            self.tickets_made += 1
            title = f"Row {self.tickets_made}"
            self.do(self.running.shop.add_variant(found["id"], title, price=price, quantity=quantity))

    @rule(ticket=picks)
    def remove_ticket(self, ticket: int) -> None:
        found = self.ticket(ticket)
        if found and len(self.do(self.running.shop.product(found["product_id"]))["variants"]) > 1:
            self.do(self.running.shop.delete_variant(found["id"]))

    @rule(event=picks)
    def delete(self, event: int) -> None:
        if found := self.event(event):
            self.living.remove(found["id"])
            self.do(self.running.shop.delete(found["id"]))

    # The writer

    @rule(event=picks, title=titles, status=statuses)
    def rewrite_ourselves(self, event: int, title: str, status: str) -> None:
        self.edit_ourselves(event, title=title, status=status.upper())

    @rule(event=picks, name=event_fields, value=st.sampled_from(["Köln", "music", "x"]))
    def set_field_ourselves(self, event: int, name: str, value: str) -> None:
        namespace, _, key = name.partition(".")
        field = {"namespace": namespace, "key": key, "type": "single_line_text_field", "value": value}
        self.edit_ourselves(event, metafields=[field])

    @rule(event=picks)
    def delete_ourselves(self, event: int) -> None:
        if found := self.event(event):
            self.living.remove(found["id"])
            self.answers.append(self.do(self.mutate("delete", found["id"])))

    @rule(pick=picks)
    def observe(self, pick: int) -> None:
        if self.answers:
            self.observe_one(self.answers.pop(pick % len(self.answers)))

    @rule(pick=picks)
    def observe_again(self, pick: int) -> None:
        """As after a death between saying and remembering, though the bus has forgotten the first time."""
        if self.observed:
            self.do(self.publish(self.observed[pick % len(self.observed)], again=f":again-{pick}"))

    def edit_ourselves(self, event: int, **fields: Any) -> None:
        if found := self.event(event):
            self.answers.append(self.do(self.mutate("edit", found["id"], **fields)))

    async def mutate(self, deed: str, event_id: int, **fields: Any) -> Change:
        plan = self.running.system.plan
        async with our_edits(plan.shopify_url, plan.shopify_token) as ours:
            change: Change = await getattr(ours, deed)(event_id, **fields)
            return change

    def observe_one(self, change: Change) -> None:
        self.do(self.publish(change))
        self.observed.append(change)

    async def publish(self, change: Change, again: str = "") -> None:
        async with self.running.jetstream() as jetstream:
            await publish(jetstream, change, again)

    async def every_effect_stands(self) -> None:
        """Where readers see it: in a revision that there is."""
        jobs = [job_of(change) for change in self.observed]
        rows = await self.running.sql(
            "SELECT job_id FROM effects JOIN events ON events.id = event_id "
            "WHERE job_id = ANY ($1::uuid[]) AND effects.revision <= events.revision", jobs,
        )  # fmt: skip
        assert {row["job_id"] for row in rows} == set(jobs)

    def event(self, pick: int) -> Json | None:
        return self.do(self.running.shop.product(self.living[pick % len(self.living)])) if self.living else None

    def ticket(self, pick: int) -> Json | None:
        found = self.event(pick // 10)
        variants: list[Json] = found["variants"] if found else []
        return variants[pick % len(variants)] if variants else None

    def edit_found(self, ticket: Json, **fields: Any) -> None:
        self.do(self.running.shop.edit(ticket["product_id"], variants=[{"id": ticket["id"], **fields}]))

    # The post

    @rule(chosen=st.lists(picks, min_size=1, max_size=6))
    def deliver_some(self, chosen: list[int]) -> None:
        self.do(self.running.shop.flush())
        for pick in chosen:
            if self.letters:
                self.deliver(self.letters.pop(pick % len(self.letters)))

    @rule(pick=picks, fresh=st.booleans())
    def deliver_again(self, pick: int, fresh: bool) -> None:
        """A late retry: the original payload, and an id that may be a new one."""
        if not self.delivered:
            return
        letter = self.delivered[pick % len(self.delivered)]
        new = {"x-shopify-webhook-id": f"again-{pick}"} if fresh else {}
        assert self.do(self.running.postbox.deliver(Letter(letter.path, letter.headers | new, letter.body))) == 200

    @rule(chosen=st.lists(picks, max_size=20))
    def settle(self, chosen: list[int]) -> None:
        """All that was not delivered yet comes, and then every event equals Shopify."""
        self.do(self.running.shop.flush())
        for pick in [*chosen, *[0] * len(self.letters)]:
            if self.letters:
                self.deliver(self.letters.pop(pick % len(self.letters)))
        while self.answers:
            self.observe_one(self.answers.pop())
        self.do(self.running.equal(self.known))
        self.do(self.every_effect_stands())

    def deliver(self, letter: Letter) -> None:
        self.delivered.append(letter)
        assert self.do(self.running.postbox.deliver(letter)) == 200


async def test_any_history_in_any_order_ends_equal_to_shopify(running: Running) -> None:
    loop = asyncio.get_running_loop()
    bounded = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking would replay minutes of real time, and never the same second twice
    )

    def play() -> None:
        run_state_machine_as_test(partial(AnyHistory, running, loop), settings=bounded)  # type: ignore[arg-type]  # any factory will do

    await asyncio.to_thread(play)
    await running.equal()
