"""What holds for every procedure, whatever Shopify answers: one end, one key for one thing, nothing not asked for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.metafields import Metafields
from shared.shopify.errors import UserError
from writer.procedures import PROCEDURES, UnknownKind, next_step
from writer.procedures.gids import NoId
from writer.procedures.keyed import keyed
from writer.procedures.steps import (
    Answered,
    Commanded,
    Done,
    Failed,
    Gone,
    InDoubt,
    Progress,
    Read,
    ReadBack,
    Refused,
    Retry,
    Shop,
    Succeeded,
    Unknown,
    Whole,
    Write,
    Written,
    observation_from_json,
)

SHOP = Shop(7, (1, 2), "EUR", Metafields())
NOW = datetime(2026, 12, 1, tzinfo=UTC)
JOB = "01990000-0000-7000-8000-abcdef123456"
EVENT, TICKET = 42, 4711
PRODUCT, VARIANT = f"gid://shopify/Product/{EVENT}", f"gid://shopify/ProductVariant/{TICKET}"

COMMANDS = [
    ("event.create", {"title": "Jazz", "tickets": [{"name": "VIP", "price": "1.00", "capacity": 5}]}),
    ("event.create", {"title": "Jazz", "handle": "jazz", "status": "active", "subtitle": "x"}),
    ("event.edit", {"title": "Blues"}),
    ("event.edit", {"subtitle": "x", "tags": ["a"]}),
    ("event.edit", {"title": "Blues", "subtitle": None}),
    ("event.edit", {"subtitle": None}),
    ("event.edit", {}),
    ("event.publish", {}),
    ("event.unpublish", {}),
    ("event.archive", {}),
    ("event.delete", {}),
    ("ticket.create", {"name": "VIP", "price": "1.00", "capacity": 5}),
    ("ticket.edit", {"price": "2.00"}),
    ("ticket.edit", {"name": "Gold", "type": None}),
    ("ticket.edit", {"capacity": 150, "name": "Gold", "price": "2.00", "type": None}),
    ("ticket.edit", {"capacity": 60}),
    ("ticket.edit", {"capacity": None}),
    ("ticket.edit", {"type": None}),
    ("ticket.edit", {}),
    ("ticket.delete", {}),
]

NODE = {
    "id": PRODUCT,
    "title": "Jazz",
    "handle": "jazz",
    "descriptionHtml": "",
    "tags": [],
    "status": "DRAFT",
    "metafields": {"nodes": [], "pageInfo": {"hasNextPage": False}},
}
SUBTITLE = {"namespace": "event", "key": "subtitle", "value": "x"}
OPTIONS = [{"name": "Ticket", "optionValues": [{"name": "VIP"}, {"name": "Standing"}]}]
STANDALONE = {
    "price": "0.00",
    "compareAtPrice": None,
    "sku": None,
    "inventoryQuantity": 0,
    "inventoryItem": {"tracked": False},
    "metafields": {"nodes": []},
    "metafield": None,
}


def levels(*available, more=False):
    nodes = [
        {
            "isActive": True,
            "location": {"id": f"gid://shopify/Location/{7 + at}"},
            "quantities": [{"name": "available", "quantity": quantity}],
        }
        for at, quantity in enumerate(available)
    ]
    return {"nodes": nodes, "pageInfo": {"hasNextPage": more}}


def stocked(*available, capacity="100", more=False):
    return {
        "title": "Standing",
        "product": {"id": PRODUCT, "options": OPTIONS},
        "metafield": capacity and {"value": capacity},
        "inventoryItem": {
            "id": "gid://shopify/InventoryItem/9",
            "tracked": True,
            "inventoryLevels": levels(*available, more=more),
        },
    }


def named(job_id):
    return {"id": VARIANT, "title": "VIP", "metafield": job_id and {"value": job_id}}


# What each query may find, and each mutation answer when it was done.
FOUND = {
    "event_by_handle": [
        {"productByIdentifier": None},
        {"productByIdentifier": {"id": PRODUCT, "metafield": None}},
        {"productByIdentifier": {"id": PRODUCT, "metafield": {"value": JOB}}},
    ],
    "event_state": [
        {"product": None},
        {"product": NODE},
        {"product": NODE | {"title": "Blues", "tags": ["a"]}},
        {"product": NODE | {"metafields": {"nodes": [SUBTITLE], "pageInfo": {"hasNextPage": True}}}},
    ],
    "ticket_place": [
        {"product": None},
        {"product": {"hasOnlyDefaultVariant": True, "options": OPTIONS, "variants": {"nodes": [STANDALONE]}}},
        {"product": {"hasOnlyDefaultVariant": False, "options": OPTIONS, "variants": {"nodes": [STANDALONE]}}},
        {"product": {"hasOnlyDefaultVariant": False, "options": OPTIONS * 2, "variants": {"nodes": [STANDALONE]}}},
    ],
    "ticket_names": [
        {"product": None},
        {"product": {"variants": {"nodes": []}}},
        {"product": {"variants": {"nodes": [named(None)]}}},
        {"product": {"variants": {"nodes": [named(JOB)]}}},
    ],
    "ticket_options": [{"product": None}, {"product": {"options": OPTIONS}}, {"product": {"options": OPTIONS * 2}}],
    "ticket_owner": [{"productVariant": None}, {"productVariant": {"product": {"id": PRODUCT}}}],
    "ticket_stock": [
        {"productVariant": None},
        {"productVariant": stocked(70, 0)},
        {"productVariant": stocked(10, 20)},
        {"productVariant": stocked(-5, capacity=None)},
        {"productVariant": stocked()},
        {"productVariant": stocked(1, more=True)},
        {"productVariant": stocked(70) | {"product": {"id": "gid://shopify/Product/1", "options": OPTIONS}}},
    ],
}  # fmt: skip
DONE = {
    "event_create": {"productSet": {"product": {"id": PRODUCT, "handle": "jazz"}}},
    "event_edit": {"productUpdate": {"product": NODE}},
    "event_metafields_edit": {"productUpdate": {"product": NODE}},
    "event_and_publication_edit": {"productUpdate": {"product": NODE}, "publishablePublish": {"publishable": NODE}},
    "ticket_create": {"productVariantsBulkCreate": {"productVariants": [{"id": VARIANT}]}},
}
REFUSALS = [
    UserError(("input", "handle"), "Handle 'jazz' already in use. Please provide a new handle."),
    UserError(("id",), "Product does not exist"),
    UserError(("variants", "0"), "The variant 'VIP' already exists.", "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE"),
    UserError(("variants", "0", "id"), "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST"),
    UserError(("variantsIds", "0"), "Not its own", "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"),
    UserError(("variantsIds",), "Cannot delete the last variant", "CANNOT_DELETE_LAST_VARIANT"),
    UserError(("input", "changes", "0", "changeFromQuantity"), "stale", "CHANGE_FROM_QUANTITY_STALE"),
    UserError((), "busy", "IDEMPOTENCY_CONCURRENT_REQUEST"),
    UserError((), "mixed up", "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"),
    UserError((), "failed before", "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED"),
    UserError(("available",), "Not allowed … when the item is already active at the location."),
    UserError(("variants", "7", "metafields", "3", "value"), "nonsense", "INVALID_INPUT"),
    UserError((), "Something else"),
]
MOST_STEPS = 120
READ_BACK = {"event.create", "event.edit", "ticket.create"}  # whether it took effect can be seen


def commanded(kind, command):
    ticket = TICKET if kind in {"ticket.edit", "ticket.delete"} else None
    return Commanded(JOB, kind, None if kind == "event.create" else EVENT, ticket, command)


def carry_out(job, answer, writes=()):
    """To the end: `answer(step)` is an outcome for a write, data for a read; the steps and the writes."""
    writes, reads, steps = [*writes], [], []
    for count in range(MOST_STEPS):
        step = next_step(Progress(job, tuple(writes), tuple(reads), NOW + timedelta(seconds=count)), SHOP)
        steps.append(step)
        match step:
            case Read(document):
                reads.append(ReadBack(document, answer(step)))
            case Write(document, variables):
                outcome = answer(step)
                sent_at = NOW + timedelta(seconds=count)
                writes, reads = [*writes, Written(len(writes), document, variables, outcome, sent_at)], []
            case _:
                return steps, writes
    raise AssertionError(f"no end after {MOST_STEPS} steps")


class Fate:
    """Answers drawn from all that Shopify may say."""

    def __init__(self, data, known=FOUND):
        self.data, self.known = data, known

    def __call__(self, step):
        if isinstance(step, Read):
            return self.data.draw(st.sampled_from(self.known[step.document]), label=step.document)
        kind = self.data.draw(st.sampled_from(["done", "unknown", "refused"]), label=step.document)
        if kind == "refused":
            return Refused((self.data.draw(st.sampled_from(REFUSALS)),))
        return Unknown() if kind == "unknown" else Done(DONE.get(step.document, {}))


def done(step):
    """Everything succeeds; queries find the event as it was."""
    if isinstance(step, Write):
        return Done(DONE.get(step.document, {}))
    return FOUND[step.document][0 if step.document == "event_by_handle" else 1]


every_command = pytest.mark.parametrize(("kind", "command"), COMMANDS, ids=[f"{k} {','.join(c)}" for k, c in COMMANDS])


@every_command
@settings(max_examples=30)
@given(data=st.data())
def test_whatever_shopify_answers_there_is_one_end(kind, command, data):
    steps, writes = carry_out(commanded(kind, command), Fate(data))
    assert isinstance(steps[-1], Succeeded | Failed | InDoubt)
    assert not any(isinstance(step, Succeeded | Failed | InDoubt) for step in steps[:-1])
    assert len(writes) <= 20
    check_keys(writes)
    check_repetitions(writes)
    check_names(command, writes)
    if isinstance(steps[-1], Succeeded) and kind not in {"event.delete", "ticket.delete"}:
        assert steps[-1].event_id == EVENT
        assert isinstance(steps[-1].observation, Answered | Whole)


def check_keys(writes):
    """A key never goes with two different requests."""
    by_key = {}
    for write in writes:
        if (key := write.variables.get("idempotencyKey")) is not None:
            assert by_key.setdefault(key, (write.document, write.variables)) == (write.document, write.variables)


def check_repetitions(writes):
    """After an unknown outcome nothing is sent but the very same, or nothing of the kind any more."""
    creations = [write for write in writes if write.document in {"event_create", "ticket_create"}]
    assert sum(isinstance(write.outcome, Done) for write in creations) <= 1
    for before, after in pairwise(writes):
        if isinstance(before.outcome, Unknown) and before.document == after.document != "event_create":
            assert before.variables == after.variables


def check_names(command, writes):
    """Only what the command names is set or cleared."""
    for write in writes:
        product = write.variables.get("product") or {}
        assert set(product) - {"id", "status", "metafields"} <= {"title", "tags"} & set(command)
        named_ones = {f"{one['namespace']}.{one['key']}" for one in metafields_of(write.variables)}
        assert named_ones - {"understudy.job"} <= {f"event.{name}" for name in command} | ticket_names(command)


def ticket_names(command):
    return {f"ticket.{name}" for one in [command, *command.get("tickets", ())] for name in one}


def metafields_of(variables):
    if isinstance(variables, dict):
        for name, value in variables.items():
            yield from value if name == "metafields" else metafields_of(value)
    elif isinstance(variables, list):
        for one in variables:
            yield from metafields_of(one)


@every_command
def test_when_all_goes_well_it_succeeds(kind, command):
    steps, writes = carry_out(commanded(kind, command), done)
    if kind == "ticket.edit" and command.get("capacity") == 60:
        assert steps[-1] == Succeeded(EVENT, TICKET, Whole(EVENT))  # 30 of 100 are sold
    assert isinstance(steps[-1], Succeeded)
    assert all(isinstance(write.outcome, Done) for write in writes)


@every_command
def test_without_any_answer_it_gives_up_in_doubt(kind, command):
    job = commanded(kind, command)

    def silence(step):
        return Unknown() if isinstance(step, Write) else done(step)

    steps, writes = carry_out(job, silence)
    if isinstance(steps[-1], Succeeded):  # read back, and as it was wanted
        assert command == {} or "subtitle" in command
        return
    if kind in READ_BACK:
        assert isinstance(steps[-1], Failed)
        assert (steps[-1].error.code, steps[-1].clean) == ("no_answer", True)
        assert "20 calls were sent" in steps[-1].error.message
    else:
        assert isinstance(steps[-1], InDoubt)
        assert "20 calls were sent" in steps[-1].reason
        assert ("23 h" in steps[-1].reason) == (command.get("capacity") is not None)
    patient = Progress(job, tuple(writes), (), NOW, most_writes=21)
    assert isinstance(next_step(patient, SHOP), Write | Read)


EDIT = commanded("event.edit", {"title": "Blues", "subtitle": None})
TIDIED = commanded("event.edit", {"description_html": "<p>Blues"})
NO = Refused((UserError(("title",), "No."),))


@pytest.mark.parametrize(
    ("job", "node", "clean"),
    [
        (EDIT, NODE, True),
        (EDIT, NODE | {"title": "Blues"}, False),
        (EDIT, NODE | {"title": "Blues", "metafields": {"nodes": [SUBTITLE]}}, False),  # which is cleared afterwards
        (TIDIED, NODE | {"descriptionHtml": "<p>Blues</p>"}, False),
    ],
)
def test_an_edit_refused_after_a_lost_answer_says_whether_it_is_as_if_it_had_never_been_sent(job, node, clean):
    first = next_step(Progress(job, (), (), NOW), SHOP)
    writes = [Written(n, "event_edit", first.variables, became, NOW) for n, became in enumerate((Unknown(), NO))]
    steps, _ = carry_out(job, lambda _: {"product": node}, writes)
    assert [type(step) for step in steps] == [Read, Failed]
    assert (steps[-1].error.code, steps[-1].clean) == ("refused", clean)


def test_an_edit_that_nobody_can_recognise_stays_in_doubt():
    """What Shopify has tidied differs from what was sent though it is done."""

    def tidy(step):
        return Unknown() if isinstance(step, Write) else {"product": NODE | {"descriptionHtml": "<p>Blues</p>"}}

    steps, _ = carry_out(TIDIED, tidy)
    assert isinstance(steps[-1], InDoubt)
    assert "retry the job" in steps[-1].reason


def test_what_was_set_before_a_clearing_that_is_never_answered_is_said_to_be_done():
    def answer(step):
        if isinstance(step, Read):
            return {"product": NODE | {"title": "Blues", "metafields": {"nodes": [SUBTITLE]}}}
        return Done(DONE["event_edit"]) if step.document == "event_edit" else Unknown()

    steps, _ = carry_out(EDIT, answer)
    assert (steps[-1].error.code, steps[-1].clean) == ("no_answer", False)
    assert steps[-1].error.message.endswith("What was sent before it is done.")


@pytest.mark.parametrize("bearer", [0, 1, 2])
def test_a_creation_that_is_refused_for_whatever_reason_is_looked_up(bearer):
    """Done once, a second time may be refused for more than its name; and a part of an answer may be denied."""

    def answer(step):
        return NO if isinstance(step, Write) else FOUND["event_by_handle"][bearer]

    steps, _ = carry_out(commanded("event.create", {"title": "Jazz"}), answer)
    assert [type(step) for step in steps] == [Write, Read, Succeeded if bearer == 2 else Failed]
    assert bearer == 2 or steps[-1].error.code == "refused"


def test_a_publication_of_which_a_half_is_refused_is_looked_at():
    steps, _ = carry_out(commanded("event.publish", {}), lambda _: NO)
    assert (type(steps[-1]), steps[-1].observation, steps[-1].clean) == (Failed, Whole(EVENT), False)
    steps, _ = carry_out(commanded("event.unpublish", {}), lambda _: NO)
    assert steps[-1].observation is None


@every_command
@settings(max_examples=12)
@given(data=st.data())
def test_it_goes_on_from_where_it_stood_whoever_died(kind, command, data):
    """Reads are forgotten; the writes alone say what comes next."""
    fate = Fate(data)
    _, writes = carry_out(commanded(kind, command), fate)
    for length in range(len(writes) + 1):
        steps, _ = carry_out(commanded(kind, command), fate, writes[:length])
        assert isinstance(steps[-1], Succeeded | Failed | InDoubt)


@given(data=st.data())
def test_an_answer_that_is_none_never_raises(data):
    kind, command = data.draw(st.sampled_from(COMMANDS))
    nonsense = st.sampled_from([{}, {"product": {}}, {"productSet": None}, {"productVariant": []}, {"product": "x"}])

    def answer(step):
        return Done(data.draw(nonsense)) if isinstance(step, Write) else data.draw(nonsense)

    steps, _ = carry_out(commanded(kind, command), answer)
    assert isinstance(steps[-1], Succeeded | Failed | InDoubt)


def test_every_kind_has_its_procedure():
    assert set(PROCEDURES) == {kind for kind, _ in COMMANDS}
    with pytest.raises(UnknownKind):
        next_step(Progress(Commanded(JOB, "event.sell", EVENT, None, {}), (), (), NOW), SHOP)
    with pytest.raises(NoId):
        next_step(Progress(Commanded(JOB, "event.edit", None, None, {"title": "x"}), (), (), NOW), SHOP)


def test_a_product_set_never_names_a_product_that_exists():
    """With an id or an identifier it would delete the tickets that it leaves out."""
    command = {
        "title": "Jazz",
        "id": PRODUCT,
        "identifier": {"id": PRODUCT},
        "tickets": [{"name": "A", "price": "1.00"}],
    }
    for kind, one in [*COMMANDS, ("event.create", command)]:
        _, writes = carry_out(commanded(kind, one), done)
        for write in writes:
            assert "identifier" not in write.variables
            if "productOptions" in write.variables.get("input", {}) or kind == "event.create":
                assert kind == "event.create"
                assert "id" not in write.variables.get("input", {})


NATURAL = (
    "publication_create", "event_edit", "event_metafields_edit", "event_and_publication_edit", "event_delete",
    "metafields_delete", "ticket_edit", "ticket_delete",
)  # fmt: skip


def test_retry_classes_are_what_the_mutations_are():
    classes = {}
    for kind, command in COMMANDS:
        steps, _ = carry_out(commanded(kind, command), done)
        for step in steps:
            if isinstance(step, Write):
                classes.setdefault(step.document, set()).add(step.retry)
    assert classes == {
        "event_create": {Retry.UNSAFE},
        "ticket_create": {Retry.UNSAFE},
        "stock_edit": {Retry.KEYED, Retry.COMPARE_AND_SET},
        **{document: {Retry.NATURAL} for document in NATURAL},
    }


def test_a_key_is_of_one_place_and_one_request():
    """Refused calls may have been struck from the history: then only the arguments tell two requests apart."""
    job = commanded("ticket.edit", {"capacity": 5})
    once = Written(0, "stock_edit", {}, Refused((REFUSALS[-1],)), NOW)
    places = [Progress(job, writes, (), NOW) for writes in ((), (once,))]
    keys = {
        keyed(place, "stock_edit", {"input": {"delta": delta}}, Retry.KEYED).variables["idempotencyKey"]
        for place in places
        for delta in (1, 2)
    }
    assert len(keys) == 4
    assert all(key.startswith(f"{JOB}-") for key in keys)


def test_status_without_publications_is_only_a_status():
    job = commanded("event.publish", {})
    step = next_step(Progress(job, (), (), NOW), replace(SHOP, publication_ids=()))
    assert step == Write("event_edit", {"product": {"id": PRODUCT, "status": "ACTIVE"}}, Retry.NATURAL)


@pytest.mark.parametrize("seen", [Answered({"id": PRODUCT}, NOW), Whole(EVENT), Gone(EVENT)])
def test_an_observation_survives_its_json(seen):
    assert observation_from_json(seen.as_json()) == seen


TAGGED = replace(SHOP, event_tags=("ticketed", "event"))
TYPED = replace(SHOP, event_type="Concert")


@pytest.mark.parametrize(
    ("shop", "command", "theirs"),
    [
        (TAGGED, {"title": "a"}, {"tags": ["ticketed"]}),
        (TAGGED, {"title": "a", "tags": ["jazz"]}, {"tags": ["jazz", "ticketed"]}),
        (TAGGED, {"title": "a", "tags": ["event", "jazz"]}, {"tags": ["event", "jazz"]}),
        (TYPED, {"title": "a"}, {"productType": "Concert"}),
    ],
)
def test_what_is_made_is_an_event_where_not_every_product_is(shop, command, theirs):
    step = next_step(Progress(Commanded("a-job", "event.create", None, None, command), (), (), NOW), shop)
    assert {name: step.variables["input"][name] for name in theirs} == theirs


@pytest.mark.parametrize(
    ("tags", "theirs"), [(["jazz"], ["jazz", "ticketed"]), (None, ["ticketed"]), (["event"], ["event"])]
)
def test_other_tags_do_not_unmake_an_event(tags, theirs):
    step = next_step(Progress(Commanded("a-job", "event.edit", 1, None, {"tags": tags}), (), (), NOW), TAGGED)
    assert step.variables["product"]["tags"] == theirs


def test_an_edit_of_something_else_names_neither_tags_nor_type():
    step = next_step(Progress(Commanded("a-job", "event.edit", 1, None, {"title": "b"}), (), (), NOW), TAGGED)
    assert step.variables["product"].keys() == {"id", "title"}
