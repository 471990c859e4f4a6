"""What the simulation refuses, field by field and word by word as it was recorded (docs/shopify.md 3).

A recorded error without a code was asked without one; where `code` is not selectable, the rows here have None.
"""

from dataclasses import dataclass

import pytest

LONG = "x" * 256
NOBODY = "gid://shopify/Product/1"
TOO_MUCH = "1000000000000000000"

UPDATE = "mutation ($p: ProductUpdateInput!) { productUpdate(product: $p) { userErrors { field message } } }"
DELETE = "mutation ($i: ProductDeleteInput!) { productDelete(input: $i) { userErrors { field message } } }"
SET = """mutation ($i: ProductSetInput!, $by: ProductSetIdentifiers) { productSet(input: $i, identifier: $by) {
  userErrors { field message code } } }"""
ADD = """mutation ($id: ID!, $v: [ProductVariantsBulkInput!]!) {
  productVariantsBulkCreate(productId: $id, variants: $v) { userErrors { field message code } } }"""
CHANGE = """mutation ($id: ID!, $v: [ProductVariantsBulkInput!]!) {
  productVariantsBulkUpdate(productId: $id, variants: $v) { userErrors { field message code } } }"""
REMOVE = """mutation ($id: ID!, $v: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $v) {
  userErrors { field message code } } }"""
PUBLISH = """mutation ($id: ID!, $i: [PublicationInput!]!) { publishablePublish(id: $id, input: $i) {
  userErrors { field message } } }"""
UNPUBLISH = PUBLISH.replace("publishablePublish", "publishableUnpublish")
METAFIELDS = """mutation ($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) {
  userErrors { field message code } } }"""
FORGET = """mutation ($m: [MetafieldIdentifierInput!]!) { metafieldsDelete(metafields: $m) {
  userErrors { field message } } }"""
ADJUST = """mutation ($i: InventoryAdjustQuantitiesInput!) {
  inventoryAdjustQuantities(input: $i) @idempotent(key: "k") { userErrors { field message code } } }"""
ACTIVATE = """mutation ($item: ID!, $at: ID!, $n: Int, $h: Int) { inventoryActivate(
  inventoryItemId: $item, locationId: $at, available: $n, onHand: $h) @idempotent(key: "k") {
  userErrors { field message } } }"""
ITEM = """mutation ($id: ID!, $i: InventoryItemInput!) { inventoryItemUpdate(id: $id, input: $i) {
  userErrors { field message } } }"""


@dataclass
class Stage:
    """A shop with two events, the first with the tickets A and B, and how it answers."""

    sim: object
    product: str
    variants: list[str]
    item: str
    location: str
    elsewhere: str

    async def said(self, text, **variables):
        """The userErrors as (field, message, code)."""
        (payload,) = (await self.sim.data(text, variables)).values()
        return [(error["field"], error["message"], error.get("code")) for error in payload["userErrors"]]


@pytest.fixture
async def stage(sim):
    tickets = [{"title": title, "price": "10", "quantity": 5} for title in "AB"]
    product = await sim.product("Jazz", variants=tickets)
    await sim.product("Rock")
    locations = [one["id"] for one in (await sim.control("GET", "/locations"))["locations"]]
    return Stage(
        sim,
        f"gid://shopify/Product/{product['id']}",
        [f"gid://shopify/ProductVariant/{variant['id']}" for variant in product["variants"]],
        f"gid://shopify/InventoryItem/{product['variants'][0]['inventory_item_id']}",
        *(f"gid://shopify/Location/{number}" for number in locations),
    )


def metafield(key="subtitle", value="x", type_="single_line_text_field", namespace="event", **more):
    return {"namespace": namespace, "key": key, "value": value, "type": type_, **more}


def ticket(name, option="Ticket", **fields):
    return {"optionValues": [{"optionName": option, "name": name}], **fields}


WRONG_TYPE = "Type 'number_integer' must be consistent with the definition's type: 'single_line_text_field'."
ONLY_ON_CREATE = (
    "Inventory quantities can only be provided during create. To update inventory for existing variants, use"
    " inventoryAdjustQuantities."
)
NO_SCHEME = (
    "Value cannot have an empty scheme (protocol), must include one of the following URL schemes:"
    ' ["http", "https", "mailto", "sms", "tel"].\''
)
TAKEN = "Handle 'rock' already in use. Please provide a new handle."


async def test_a_product_update_is_refused(stage):
    for fields, expected in (
        ({"title": " "}, [(["title"], "Title can't be blank")]),
        ({"title": LONG}, [(["title"], "Title is too long (maximum is 255 characters)")]),
        ({"handle": LONG}, [(["handle"], "Handle is too long (maximum is 255 characters)")]),
        ({"handle": "rock"}, [(["input", "handle"], TAKEN)]),
        ({"vendor": LONG}, [(["vendor"], "Vendor is too long (maximum is 255 characters)")]),
        (
            {"productType": LONG},
            [
                (["productType"], "Product type is too long (maximum is 255 characters)"),
                (["customProductType"], "Custom product type is too long (maximum is 255 characters)"),
            ],
        ),
        ({"tags": [LONG]}, [(["tags"], "Product tags is invalid")]),
        ({"tags": [f"{number},{number}b" for number in range(126)]}, [(["tags"], "Product tags is invalid")]),
        (
            {"metafields": [metafield(), metafield(type_="number_integer", value="1")]},
            [(["metafields", "1", "type"], WRONG_TYPE)],
        ),
        (
            {"metafields": [metafield(value="x" * 65_537)]},
            [(["metafields", "0", "value"], "Value is too long (maximum is 65536 characters)")],
        ),
        (
            {"metafields": [metafield("starts_at", "tonight", "date_time")]},
            [
                (
                    ["metafields", "0", "value"],
                    "Value must be in “YYYY-MM-DDTHH:MM:SS” format. For example: 2022-06-01T15:30:00",
                )
            ],
        ),
        ({"id": NOBODY}, [(["id"], "Product does not exist")]),
    ):
        said = await stage.said(UPDATE, p={"id": stage.product, **fields})
        assert [one[:2] for one in said] == expected


async def test_deleting_twice_is_refused(stage):
    assert await stage.said(DELETE, i={"id": stage.product}) == []
    assert await stage.said(DELETE, i={"id": stage.product}) == [(["id"], "Product does not exist", None)]


async def test_a_product_set_is_refused(stage):
    options = [{"name": "Ticket", "values": [{"name": "A"}]}]

    def event(*tickets, **fields):
        return {"title": "Blues", "productOptions": options, "variants": list(tickets), **fields}

    for wanted, expected in (
        (event(ticket("A"), title=""), (["input", "title"], "Title must be specified", "INVALID_PRODUCT")),
        (
            event(ticket("A"), title=LONG),
            (["input", "title"], "is too long (maximum is 255 characters)", "INVALID_PRODUCT"),
        ),
        (
            event(ticket("A"), vendor=LONG),
            (["input"], "Vendor is too long (maximum is 255 characters)", "INVALID_PRODUCT"),
        ),
        (event(ticket("A"), tags=[LONG]), (["input"], "Product tags is invalid", "INVALID_PRODUCT")),
        (event(ticket("A"), handle="rock"), (["input", "handle"], TAKEN, "HANDLE_NOT_UNIQUE")),
        (event(ticket("A"), id=NOBODY), (["input", "id"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")),
        (
            {"id": stage.product, "productOptions": options},
            (
                ["input", "variants"],
                "Variants input is required when updating product options",
                "VARIANTS_INPUT_MISSING",
            ),
        ),
        (
            event(ticket("A", "A / B"), productOptions=[{"name": "A / B", "values": [{"name": "A"}]}]),
            (
                ["input", "productOptions", "0", "name"],
                "The name contains unsupported sequence ' / '",
                "INVALID_INPUT",
            ),
        ),
        (
            event(ticket("A"), productOptions=options * 2),
            (["input", "productOptions"], "Duplicated option name 'Ticket'", "DUPLICATED_OPTION_NAME"),
        ),
        (
            event(ticket("A"), productOptions=[{"name": "Ticket"}]),
            (
                ["input", "productOptions", "0"],
                "Option 'Ticket' must specify at least one option value.",
                "OPTION_VALUES_MISSING",
            ),
        ),
        (
            event(ticket("A"), ticket("A")),
            (
                ["input", "variants", "1"],
                "The variant 'A' already exists. Please change at least one option value.",
                "INVALID_VARIANT",
            ),
        ),
        (
            event(ticket("A"), ticket(" ")),
            (["input", "variants", "1", "optionValues", "0"], "The name provided is not valid.", "INVALID_INPUT"),
        ),
        (
            event(ticket("A", price="-1")),
            (["input", "variants", "0", "price"], "Price must be greater than or equal to 0", "INVALID_VARIANT"),
        ),
        (
            event(ticket("A", inventoryItem={"cost": "-1"})),
            (
                ["input", "variants", "0", "inventoryItem", "cost"],
                "Cost per item must be greater than or equal to 0",
                "INVALID_VARIANT",
            ),
        ),
        (
            event(ticket("A", inventoryItem={"cost": TOO_MUCH})),
            (
                ["input", "variants", "0", "inventoryItem", "cost"],
                f"Cost per item must be less than {TOO_MUCH}",
                "INVALID_VARIANT",
            ),
        ),
        (
            event(ticket("A", sku=LONG)),
            (["input", "variants", "0", "sku"], "SKU is too long (maximum is 255 characters)", "INVALID_VARIANT"),
        ),
        (
            event(ticket("A", metafields=[metafield("visible", "1", "number_integer", "ticket")])),
            (
                ["input", "variants", "0", "metafields", "0", "type"],
                "Type 'number_integer' must be consistent with the definition's type: 'boolean'.",
                "INVALID_METAFIELD",
            ),
        ),
        (
            event(ticket("A"), metafields=[{"namespace": "elsewhere", "key": "thing", "value": "x"}]),
            (["input", "metafields", "0", "type"], "Type can't be blank", "INVALID_METAFIELD"),
        ),
    ):
        assert await stage.said(SET, i=wanted) == [expected]
    both = await stage.said(SET, i=event(ticket("A"), id=stage.product), by={"handle": "jazz"})
    assert both == [(["input"], "The id field is not allowed if identifier is provided.", "ID_NOT_ALLOWED")]
    other = await stage.said(SET, i=event(ticket("A"), handle="blues"), by={"handle": "soul"})
    assert [code for _, _, code in other] == ["INPUT_MISMATCH"]
    assert len((await stage.sim.control("GET", "/products"))["products"]) == 2


async def test_more_variants_or_array_entries_than_shopify_takes_are_refused_and_charged(stage):
    many = [ticket(str(number)) for number in range(2049)]
    for text, variables, limit in (
        (SET, {"i": {"title": "x", "variants": many}}, 2048),
        (ADD, {"id": stage.product, "v": many[:251]}, 250),
        (UPDATE, {"p": {"id": stage.product, "tags": [str(number) for number in range(251)]}}, 250),
    ):
        answer = await stage.sim.gql(text, variables)
        assert answer["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"
        assert answer["errors"][0]["message"].endswith(f"is greater than the maximum allowed of {limit}.")
        assert answer["extensions"]["cost"]["actualQueryCost"] is None


async def test_new_tickets_are_refused(stage):
    here, gone = ["variants", "0"], "gid://shopify/Location/1"
    twice = [{"optionName": "Ticket", "name": "C"}, {"optionName": "Ticket", "name": "D"}]
    for wanted, expected in (
        ({"optionValues": twice}, ([*here, "optionValues"], "Duplicated option name 'Ticket'", "INVALID_INPUT")),
        (ticket("C", "Size"), ([*here, "optionValues", "0"], "Option does not exist", "INVALID_INPUT")),
        ({}, (here, "You need to add option values for Ticket", "NEED_TO_ADD_OPTION_VALUES")),
        (
            ticket("A"),
            (
                here,
                "The variant 'A' already exists. Please change at least one option value.",
                "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE",
            ),
        ),
        (
            ticket("C", inventoryQuantities=[{"locationId": gone, "availableQuantity": 1}]),
            (
                [*here, "inventoryQuantities"],
                "Quantity for C couldn't be set because the location was deleted.",
                "TRACKED_VARIANT_LOCATION_NOT_FOUND",
            ),
        ),
        (
            ticket("C", metafields=[metafield("capacity", "many", "number_integer", "ticket")]),
            ([*here, "metafields", "0", "value"], "Value must be an integer.", "INVALID_INPUT"),
        ),
    ):
        assert await stage.said(ADD, id=stage.product, v=[wanted]) == [expected]
    nobody = [(["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]
    assert await stage.said(ADD, id=NOBODY, v=[]) == nobody


async def test_a_changed_ticket_is_refused(stage):
    first, here = stage.variants[0], ["variants", "0"]
    moved = [{"locationId": stage.location, "availableQuantity": 1}]
    for fields, expected in (
        ({"id": None}, ([*here, "id"], "Product variant is missing ID attribute", "PRODUCT_VARIANT_ID_MISSING")),
        (
            {"id": "gid://shopify/ProductVariant/1"},
            ([*here, "id"], "Product variant does not exist", "PRODUCT_VARIANT_DOES_NOT_EXIST"),
        ),
        (
            {"inventoryQuantities": moved},
            (
                [*here, "inventoryQuantities"],
                ONLY_ON_CREATE,
                "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE",
            ),
        ),
        (ticket("C", "Size"), ([*here, "optionValues", "0"], "Option does not exist", "OPTION_DOES_NOT_EXIST")),
        (
            ticket("B"),
            (
                ["variants"],
                "The variant 'B' already exists. Please change at least one option value.",
                "VARIANT_ALREADY_EXISTS",
            ),
        ),
        (ticket(LONG), ([*here, "optionValues", "0"], "Option value name is too long", "OPTION_VALUE_NAME_TOO_LONG")),
        (
            {"price": "-0.01"},
            ([*here, "price"], "Price must be greater than or equal to 0", "GREATER_THAN_OR_EQUAL_TO"),
        ),
        ({"price": TOO_MUCH}, (here, f"must be less than {TOO_MUCH}", None)),
        ({"compareAtPrice": "-1"}, (here, "must be greater than or equal to 0", None)),
        (
            {"compareAtPrice": TOO_MUCH},
            ([*here, "compareAtPrice"], f"must be less than {TOO_MUCH}", "INVALID_INPUT"),
        ),
        (
            {"inventoryItem": {"cost": "-1"}},
            (
                [*here, "inventoryItem", "cost"],
                "Cost per item must be greater than or equal to 0",
                "GREATER_THAN_OR_EQUAL_TO",
            ),
        ),
        (
            {"inventoryItem": {"cost": TOO_MUCH}},
            ([*here, "inventoryItem", "cost"], f"Cost per item must be less than {TOO_MUCH}", "INVALID_INPUT"),
        ),
        (
            {"metafields": [metafield("visible", "perhaps", "boolean", "ticket")]},
            ([*here, "metafields", "0", "value"], "Value must be true or false.", "INVALID_VALUE"),
        ),
    ):
        assert await stage.said(CHANGE, id=stage.product, v=[{"id": first, **fields}]) == [expected]
    nobody = [(["productId"], "Product does not exist", "PRODUCT_DOES_NOT_EXIST")]
    assert await stage.said(CHANGE, id=NOBODY, v=[{"id": first}]) == nobody
    assert await stage.said(REMOVE, id=NOBODY, v=[first]) == nobody


async def test_tickets_are_not_deleted_twice_nor_all_of_them(stage):
    first, second = stage.variants
    foreign = "At least one variant does not belong to the product"
    code = "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT"
    assert await stage.said(REMOVE, id=stage.product, v=[first]) == []
    assert await stage.said(REMOVE, id=stage.product, v=[second, first]) == [(["variantsIds", "1"], foreign, code)]
    last = await stage.said(REMOVE, id=stage.product, v=[second])
    assert [code for _, _, code in last] == ["CANNOT_DELETE_LAST_VARIANT"]


async def test_a_price_that_is_none_is_a_static_error_and_cents_are_whole(stage):
    answer = await stage.sim.gql(CHANGE, {"id": stage.product, "v": [{"id": stage.variants[0], "price": "abc"}]})
    assert "invalid value for 0.price (invalid money 'abc')" in answer["errors"][0]["message"]
    assert await stage.said(CHANGE, id=stage.product, v=[{"id": stage.variants[0], "price": "10.999"}]) == []
    truth = (await stage.sim.control("GET", "/products"))["products"][0]
    assert truth["variants"][0]["price"] == "11.00"


async def test_publishing_is_refused_and_publishing_again_changes_nothing(stage):
    publication = (await stage.sim.data("{ publications(first: 1) { nodes { id } } }"))["publications"]["nodes"][0][
        "id"
    ]
    unknown = "Publication does not exist or is not publishable"
    early = "Publish date must be a date after the year 1969"
    for text in (PUBLISH, UNPUBLISH):
        for wanted, expected in (
            ([{"publicationId": "gid://shopify/Publication/1"}], (["input", "0", "publicationId"], unknown, None)),
            ([{"publicationId": ""}], (["input", "0", "publicationId"], "PublicationId cannot be empty", None)),
            (
                [{"publicationId": publication, "publishDate": "1969-01-01T00:00:00Z"}],
                (["input", "0", "publishDate"], early, None),
            ),
        ):
            assert await stage.said(text, id=stage.product, i=wanted) == [expected]
        assert await stage.said(text, id=NOBODY, i=[]) == [(["id"], "Resource does not exist", None)]
        assert await stage.said(text, id=stage.product, i=[{"publicationId": publication}]) == []
        assert await stage.said(text, id=stage.product, i=[{"publicationId": publication}]) == []
    journal = (await stage.sim.control("GET", "/journal?origin=admin"))["entries"]
    assert [e["action"] for e in journal if e["effects"]] == ["publishableUnpublish"]  # it was published from the start


async def test_metafields_are_refused(stage):
    owner = {"ownerId": stage.product}
    here = ["metafields", "0"]
    denied = "Access to this namespace and key on Metafields for this resource type is not allowed."
    for wanted, expected in (
        (metafield(type_="number_integer", value="1"), ([*here, "type"], WRONG_TYPE, "INVALID_TYPE")),
        (metafield(value=""), ([*here, "value"], "Value can't be blank.", "INVALID_VALUE")),
        (metafield("k", type_="boolean"), ([*here, "key"], "Key is too short (minimum is 2 characters)", "TOO_SHORT")),
        (metafield(namespace="app--1--x"), (here, denied, "APP_NOT_AUTHORIZED")),
        (
            metafield(namespace="protected"),
            ([*here, "namespace"], "Namespace protected is a reserved namespace", None),
        ),
        (
            metafield("link", "nowhere", "url", "other"),
            (
                [*here, "value"],
                NO_SCHEME,
                "INVALID_VALUE",
            ),
        ),
        (metafield(ownerId=NOBODY), ([*here, "ownerId"], "Owner does not exist.", "INVALID_VALUE")),
    ):
        assert await stage.said(METAFIELDS, m=[{**owner, **wanted}]) == [expected]
    without_type = {**owner, "namespace": "event", "key": "subtitle", "value": "Live"}
    assert await stage.said(METAFIELDS, m=[without_type]) == []  # its definition lends it
    unknown = {**without_type, "namespace": "elsewhere"}
    assert await stage.said(METAFIELDS, m=[unknown]) == [([*here, "type"], "Type can't be blank", "BLANK")]
    foreign = {**owner, "namespace": "app--1--x", "key": "key"}
    assert await stage.said(FORGET, m=[foreign]) == [(["metafields"], denied, None)]


async def test_stock_is_not_adjusted(stage):
    change = {
        "inventoryItemId": stage.item,
        "locationId": stage.location,
        "delta": 1,
        "changeFromQuantity": None,
    }
    at = ["input", "changes", "0"]
    no_item, no_place = "The specified inventory item could not be found.", "The specified location could not be found."
    names = "available, damaged, incoming, quality_control, reserved, safety_stock"

    def adjusting(name="available", reason="correction", **fields):
        return {"name": name, "reason": reason, "changes": [{**change, **fields}]}

    for wanted, expected in (
        (
            adjusting("committed"),
            (
                ["input", "name"],
                f"The specified quantity name is invalid. Valid values are: {names}.",
                "INVALID_QUANTITY_NAME",
            ),
        ),
        (
            adjusting(inventoryItemId="gid://shopify/InventoryItem/1"),
            ([*at, "inventoryItemId"], no_item, "INVALID_INVENTORY_ITEM"),
        ),
        (adjusting(locationId="gid://shopify/Location/1"), ([*at, "locationId"], no_place, "INVALID_LOCATION")),
        (
            adjusting("damaged"),
            (
                [*at, "ledgerDocumentUri"],
                "A ledger document URI is required except when adjusting available.",
                "INVALID_QUANTITY_DOCUMENT",
            ),
        ),
        (
            adjusting(changeFromQuantity=4),
            (
                [*at, "changeFromQuantity"],
                "The changeFromQuantity argument no longer matches the persisted quantity.",
                "CHANGE_FROM_QUANTITY_STALE",
            ),
        ),
        (
            adjusting(delta=2_000_000_000),
            ([*at, "delta"], "The quantity can't be higher than 2,000,000,000.", "INVALID_QUANTITY_TOO_HIGH"),
        ),
    ):
        assert await stage.said(ADJUST, i=wanted) == [expected]
    reason = await stage.said(ADJUST, i=adjusting(reason="because"))
    assert [(field, code) for field, _, code in reason] == [(["input", "reason"], "INVALID_REASON")]


async def test_a_key_that_a_refusal_used_up_is_refused_where_the_knob_says_so(stage):
    change = {"inventoryItemId": stage.item, "locationId": stage.location, "delta": 1, "changeFromQuantity": 4}
    wanted = {"name": "available", "reason": "correction", "changes": [change]}
    for consumes, code in ((False, "CHANGE_FROM_QUANTITY_STALE"), (True, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")):
        await stage.sim.knobs(refused_call_consumes_key=consumes)
        await stage.said(ADJUST, i=wanted)
        assert [said for _, _, said in await stage.said(ADJUST, i=wanted)] == [code]


async def test_an_item_is_not_stocked(stage):
    active = "when the item is already active at the location."
    cannot = "The product couldn't be stocked at Partner outlet because"
    both = f"{cannot} not allowed to set available and on_hand quantities at the same time."
    limit = f"{cannot} the quantity needs to be between -1 billion and 1 billion."
    nobody, nowhere = "gid://shopify/InventoryItem/1", "gid://shopify/Location/1"
    for item, place, available, on_hand, expected in (
        (
            stage.item, stage.location, 1, None,
            [(["available"], f"Not allowed to set available quantity {active}")],
        ),
        (stage.item, stage.location, None, 1, [(["onHand"], f"Not allowed to set an on_hand quantity {active}")]),
        (stage.item, stage.elsewhere, 1, 1, [(["available"], both), (["onHand"], both)]),
        (stage.item, stage.elsewhere, None, 10**9 + 1, [(["onHand"], limit)]),
        (
            stage.item, nowhere, 1, None,
            [(["locationId"], "The product couldn't be stocked because the location wasn't found.")],
        ),
        (nobody, stage.elsewhere, 1, None, [(["inventoryItemId"], f"{cannot} the product was deleted.")]),
    ):  # fmt: skip
        said = await stage.said(ACTIVATE, item=item, at=place, n=available, h=on_hand)
        assert [one[:2] for one in said] == expected


async def test_an_item_is_not_updated(stage):
    gone = "The product couldn't be updated because it does not exist."
    harmonized = "Harmonized system code must be a number between six and thirteen digits"
    for id_, wanted, expected in (
        ("gid://shopify/InventoryItem/1", {"tracked": True}, (["id"], gone, None)),
        (stage.item, {"cost": "-1"}, (["input", "cost"], "Cost must be greater than or equal to 0", None)),
        (stage.item, {"harmonizedSystemCode": "12"}, (["input", "harmonizedSystemCode"], harmonized, None)),
    ):
        assert await stage.said(ITEM, id=id_, i=wanted) == [expected]
