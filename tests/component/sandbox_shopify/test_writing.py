"""Mutations of products, variants, metafields and publications: their effects, and Shopify's words when it refuses."""

CREATE = """mutation ($p: ProductCreateInput!) { productCreate(product: $p) {
  product { id handle status publishedAt variants(first: 5) { nodes { id title inventoryItem { id tracked } } } }
  userErrors { field message } } }"""
UPDATE = """mutation ($p: ProductUpdateInput!) { productUpdate(product: $p) {
  product { id title status tags updatedAt metafields(first: 5) { nodes { key value } } }
  userErrors { field message } } }"""
ADD = """mutation ($id: ID!, $v: [ProductVariantsBulkInput!]!, $s: ProductVariantsBulkCreateStrategy) {
  productVariantsBulkCreate(productId: $id, variants: $v, strategy: $s) {
    productVariants { id title price inventoryQuantity inventoryItem { id tracked sku } }
    userErrors { field message code } } }"""
CHANGE = """mutation ($id: ID!, $v: [ProductVariantsBulkInput!]!) {
  productVariantsBulkUpdate(productId: $id, variants: $v) {
    productVariants { id title price } userErrors { field message code } } }"""
REMOVE = """mutation ($id: ID!, $v: [ID!]!) { productVariantsBulkDelete(productId: $id, variantsIds: $v) {
    product { id } userErrors { field message code } } }"""
METAFIELDS = """mutation ($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) {
    metafields { id key value compareDigest } userErrors { field message code elementIndex } } }"""
SET = """mutation ($i: ProductSetInput!, $by: ProductSetIdentifiers, $sync: Boolean = true) {
  productSet(input: $i, identifier: $by, synchronous: $sync) {
    product { id handle title options { name values }
      variants(first: 10) { nodes { id title price inventoryQuantity position } } }
    productSetOperation { id status } userErrors { field message code } } }"""


def gid(kind, number):
    return f"gid://shopify/{kind}/{number}"


async def make(sim, **fields):
    return (await sim.data(CREATE, {"p": {"title": "Jazz", **fields}}))["productCreate"]


async def test_a_new_product_is_unpublished_and_has_one_default_variant(sim):
    made = await make(sim)
    product = made["product"]
    assert (product["handle"], product["status"], product["publishedAt"]) == ("jazz", "ACTIVE", None)
    (variant,) = product["variants"]["nodes"]
    assert (variant["title"], variant["inventoryItem"]["tracked"]) == ("Default Title", False)


async def test_a_product_is_refused_in_shopifys_words(sim):
    await make(sim)
    for fields, errors in (
        ({"title": " "}, [(["title"], "Title can't be blank")]),
        ({"title": "x" * 256}, [(["title"], "Title is too long (maximum is 255 characters)")]),
        (
            {"handle": "jazz"},
            [(["input", "handle"], "Handle 'jazz' already in use. Please provide a new handle.")],
        ),
        (
            {"productType": "x" * 256},
            [
                (["productType"], "Product type is too long (maximum is 255 characters)"),
                (["customProductType"], "Custom product type is too long (maximum is 255 characters)"),
            ],
        ),
    ):
        made = await make(sim, **fields)
        assert made["product"] is None
        assert [(e["field"], e["message"]) for e in made["userErrors"]] == errors
    answer = await sim.gql("mutation { productCreate { product { id } } }")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"


async def test_an_update_changes_what_it_names(sim):
    product = await sim.product(tags=["a"])
    metafields = [{"namespace": "event", "key": "subtitle", "type": "single_line_text_field", "value": "Live"}]
    wanted = {"id": gid("Product", product["id"]), "title": "Rock", "status": "DRAFT", "metafields": metafields}
    updated = (await sim.data(UPDATE, {"p": wanted}))["productUpdate"]["product"]
    assert (updated["title"], updated["status"], updated["tags"]) == ("Rock", "DRAFT", ["a"])
    assert updated["metafields"]["nodes"] == [{"key": "subtitle", "value": "Live"}]


async def test_what_does_not_exist_can_not_be_changed(sim):
    nobody = gid("Product", 1)
    updated = (await sim.data(UPDATE, {"p": {"id": nobody, "title": "x"}}))["productUpdate"]
    assert updated["userErrors"] == [{"field": ["id"], "message": "Product does not exist"}]
    text = "mutation ($id: ID!) { productDelete(input: {id: $id}) { deletedProductId userErrors { field message } } }"
    deleted = (await sim.data(text, {"id": nobody}))["productDelete"]
    assert deleted == {
        "deletedProductId": None,
        "userErrors": [{"field": ["id"], "message": "Product does not exist"}],
    }


async def test_new_variants_replace_the_default_one(sim):
    product = (await make(sim, productOptions=[{"name": "Ticket", "values": [{"name": "VIP"}]}]))["product"]
    location = (await sim.control("GET", "/locations"))["locations"][0]["id"]
    tickets = [
        {
            "optionValues": [{"optionName": "Ticket", "name": name}],
            "price": price,
            "inventoryItem": {"tracked": True, "sku": name},
            "inventoryQuantities": [{"locationId": gid("Location", location), "availableQuantity": 10}],
        }
        for name, price in (("Standing", "20"), ("Seated", "35.5"))
    ]
    made = await sim.data(ADD, {"id": product["id"], "v": tickets, "s": "REMOVE_STANDALONE_VARIANT"})
    variants = made["productVariantsBulkCreate"]["productVariants"]
    assert [(v["title"], v["price"], v["inventoryQuantity"]) for v in variants] == [
        ("Standing", "20.00", 10),
        ("Seated", "35.50", 10),
    ]
    truth = (await sim.control("GET", "/products"))["products"][0]
    assert [v["title"] for v in truth["variants"]] == ["Standing", "Seated"]


async def test_variants_are_refused_in_shopifys_words(sim):
    product = await sim.product()
    id_, variant = gid("Product", product["id"]), gid("ProductVariant", product["variants"][0]["id"])

    async def errors(text, field, variables):
        answer = (await sim.data(text, variables))[field]["userErrors"]
        return [(e["field"], e["code"]) for e in answer]

    def ticket(name, **fields):
        return [{"optionValues": [{"optionName": "Ticket", "name": name}], **fields}]

    add, change = "productVariantsBulkCreate", "productVariantsBulkUpdate"
    no_option = [{"optionValues": [{"optionName": "Size", "name": "L"}]}]
    negative = ticket("A", price="-1")
    only_on_create = "NO_INVENTORY_QUANTITIES_ON_VARIANTS_UPDATE"
    stock = [{"id": variant, "inventoryQuantities": [{"locationId": gid("Location", 1), "availableQuantity": 1}]}]
    for text, field, inputs, expected in (
        (ADD, add, no_option, (["variants", "0", "optionValues", "0"], "INVALID_INPUT")),
        (ADD, add, [{}], (["variants", "0"], "NEED_TO_ADD_OPTION_VALUES")),
        (ADD, add, ticket("VIP"), (["variants", "0"], "VARIANT_ALREADY_EXISTS_CHANGE_OPTION_VALUE")),
        (ADD, add, negative, (["variants", "0", "price"], "GREATER_THAN_OR_EQUAL_TO")),
        (CHANGE, change, [{"price": "1"}], (["variants", "0", "id"], "PRODUCT_VARIANT_ID_MISSING")),
        (CHANGE, change, stock, (["variants", "0", "inventoryQuantities"], only_on_create)),
        (
            CHANGE,
            change,
            [{"id": gid("ProductVariant", 1)}],
            (["variants", "0", "id"], "PRODUCT_VARIANT_DOES_NOT_EXIST"),
        ),
    ):
        assert await errors(text, field, {"id": id_, "v": inputs}) == [expected]
    foreign = {"id": id_, "v": [gid("ProductVariant", 1)]}
    assert await errors(REMOVE, "productVariantsBulkDelete", foreign) == [
        (["variantsIds", "0"], "AT_LEAST_ONE_VARIANT_DOES_NOT_BELONG_TO_THE_PRODUCT")
    ]
    nobody = {"id": gid("Product", 1), "v": []}
    assert await errors(ADD, add, nobody) == [(["productId"], "PRODUCT_DOES_NOT_EXIST")]


async def test_a_refused_call_changes_nothing(sim):
    product = await sim.product(variants=[{"title": "A", "price": "1"}, {"title": "B", "price": "2"}])
    ids = [gid("ProductVariant", v["id"]) for v in product["variants"]]
    wanted = [{"id": ids[0], "price": "9"}, {"id": ids[1], "price": "-1"}]
    changed = await sim.data(CHANGE, {"id": gid("Product", product["id"]), "v": wanted})
    assert changed["productVariantsBulkUpdate"]["productVariants"] is None
    assert await sim.control("GET", f"/products/{product['id']}") == product


async def test_a_ticket_type_is_renamed_everywhere(sim):
    product = await sim.product()
    id_ = gid("Product", product["id"])
    options = "query ($id: ID!) { product(id: $id) { options { id optionValues { id name } } } }"
    option = (await sim.data(options, {"id": id_}))["product"]["options"][0]
    text = """mutation ($p: ID!, $o: OptionUpdateInput!, $v: [OptionValueUpdateInput!]) {
      productOptionUpdate(productId: $p, option: $o, optionValuesToUpdate: $v) { userErrors { message } } }"""
    values = [{"id": option["optionValues"][0]["id"], "name": "Gold"}]
    await sim.data(text, {"p": id_, "o": {"id": option["id"]}, "v": values})
    truth = await sim.control("GET", f"/products/{product['id']}")
    assert truth["variants"][0]["title"] == "Gold"


async def test_metafields_are_set_together_or_not_at_all(sim):
    product = await sim.product()
    owner = {"ownerId": gid("Product", product["id"]), "namespace": "event"}
    good = {**owner, "key": "subtitle", "type": "single_line_text_field", "value": "Live"}
    bad = {**owner, "key": "capacity", "type": "number_integer", "value": "many"}
    refused = (await sim.data(METAFIELDS, {"m": [good, bad]}))["metafieldsSet"]
    assert refused["userErrors"] == [
        {
            "field": ["metafields", "1", "value"],
            "message": "Value must be an integer.",
            "code": "INVALID_VALUE",
            "elementIndex": 1,
        }
    ]
    assert (await sim.control("GET", f"/products/{product['id']}"))["metafields"] == []
    made = (await sim.data(METAFIELDS, {"m": [good]}))["metafieldsSet"]["metafields"][0]
    stale = (await sim.data(METAFIELDS, {"m": [{**good, "compareDigest": "0" * 64}]}))["metafieldsSet"]["userErrors"]
    assert [(e["field"], e["code"]) for e in stale] == [(["metafields", "0"], "STALE_OBJECT")]
    fresh = {**good, "value": "New", "compareDigest": made["compareDigest"]}
    assert (await sim.data(METAFIELDS, {"m": [fresh]}))["metafieldsSet"]["userErrors"] == []
    many = (await sim.data(METAFIELDS, {"m": [good] * 26}))["metafieldsSet"]["userErrors"]
    assert [(e["code"], e["message"]) for e in many] == [
        ("LESS_THAN_OR_EQUAL_TO", "Exceeded the maximum metafields input limit of 25.")
    ]


async def test_publishing_needs_a_publication_that_exists(sim):
    product = (await make(sim))["product"]
    publication = (await sim.data("{ publications(first: 1) { nodes { id } } }"))["publications"]["nodes"][0]["id"]
    text = """mutation ($id: ID!, $i: [PublicationInput!]!) { publishablePublish(id: $id, input: $i) {
      publishable { ... on Product { id publishedAt } } userErrors { field message } } }"""
    published = await sim.data(text, {"id": product["id"], "i": [{"publicationId": publication}]})
    assert published["publishablePublish"]["publishable"]["publishedAt"]
    twice = {"id": product["id"], "i": [{"publicationId": publication}] * 2}
    assert (await sim.data(text, twice))["publishablePublish"]["userErrors"] == [
        {"field": ["input", "1", "publicationId"], "message": "The same publication was specified more than once"}
    ]
    unpublish = text.replace("publishablePublish", "publishableUnpublish")
    gone = await sim.data(unpublish, {"id": product["id"], "i": [{"publicationId": publication}]})
    assert gone["publishableUnpublish"]["publishable"]["publishedAt"] is None


async def test_product_set_replaces_lists_and_deletes_what_is_left_out(sim):
    def variants(*tickets):
        return [{"optionValues": [{"optionName": "Ticket", "name": name}], "price": price} for name, price in tickets]

    options = [{"name": "Ticket", "values": [{"name": "A"}, {"name": "B"}]}]
    first = {"title": "Set", "productOptions": options, "variants": variants(("A", "1"), ("B", "2"))}
    made = (await sim.data(SET, {"i": first}))["productSet"]
    assert made["userErrors"] == []
    kept = made["product"]["variants"]["nodes"][1]["id"]
    again = {"id": made["product"]["id"], "variants": variants(("B", "3"), ("C", "4"))}
    changed = (await sim.data(SET, {"i": again}))["productSet"]
    assert changed["userErrors"] == []
    nodes = changed["product"]["variants"]["nodes"]
    assert [(v["title"], v["price"], v["position"]) for v in nodes] == [("B", "3.00", 1), ("C", "4.00", 2)]
    assert nodes[0]["id"] == kept
    assert changed["product"]["options"] == [{"name": "Ticket", "values": ["B", "C"]}]
    double = {"id": made["product"]["id"], "variants": variants(("B", "3"), ("B", "4"))}
    assert (await sim.data(SET, {"i": double}))["productSet"]["userErrors"][0]["message"] == (
        "The variant 'B' already exists. Please change at least one option value."
    )
    both = {"i": {"id": made["product"]["id"], "title": "x"}, "by": {"handle": "set"}}
    assert (await sim.data(SET, both))["productSet"]["userErrors"][0]["code"] == "ID_NOT_ALLOWED"


async def test_a_product_set_keeps_all_of_its_tickets_and_is_found_by_its_handle_at_once(sim):
    await sim.knobs(search_lag=60)
    first, second = [one["id"] for one in (await sim.control("GET", "/locations"))["locations"]]
    stock = [
        {"locationId": gid("Location", number), "name": "available", "quantity": quantity}
        for number, quantity in ((first, 40), (second, 2))
    ]
    capacity = {"namespace": "ticket", "key": "capacity", "type": "number_integer", "value": "42"}
    ours = {"namespace": "understudy", "key": "job", "type": "single_line_text_field", "value": "0199"}
    ticket = {
        "optionValues": [{"optionName": "Ticket", "name": "VIP"}],
        "price": "49.5",
        "inventoryItem": {"tracked": True},
        "inventoryQuantities": stock,
        "metafields": [capacity, ours],
    }
    wanted = {
        "title": "Blue Night",
        "handle": "blue-night",
        "status": "DRAFT",
        "metafields": [ours],
        "productOptions": [{"name": "Ticket", "values": [{"name": "VIP"}]}],
        "variants": [ticket],
    }
    assert (await sim.data(SET, {"i": wanted}))["productSet"]["userErrors"] == []
    text = """query ($h: String!) { productByIdentifier(identifier: {handle: $h}) { id handle
      metafield(namespace: "understudy", key: "job") { value } } }"""
    found = (await sim.data(text, {"h": "blue-night"}))["productByIdentifier"]
    assert (found["handle"], found["metafield"]) == ("blue-night", {"value": "0199"})
    assert (await sim.data(text, {"h": "blue"}))["productByIdentifier"] is None
    (truth,) = (await sim.control("GET", "/products"))["products"]
    assert (truth["status"], truth["options"]) == ("draft", [{"name": "Ticket", "values": ["VIP"]}])
    (variant,) = truth["variants"]
    assert (variant["title"], variant["price"], variant["tracked"]) == ("VIP", "49.50", True)
    assert [(one["location_id"], one["available"]) for one in variant["levels"]] == [(first, 40), (second, 2)]
    assert {one["key"]: one["value"] for one in variant["metafields"]} == {"capacity": "42", "job": "0199"}


async def test_an_asynchronous_product_set_is_an_operation(sim):
    made = (await sim.data(SET, {"i": {"title": "Later"}, "sync": False}))["productSet"]
    assert made["product"] is None
    text = "query ($id: ID!) { productOperation(id: $id) { status product { title } } }"
    found = (await sim.data(text, {"id": made["productSetOperation"]["id"]}))["productOperation"]
    assert found == {"status": "COMPLETE", "product": {"title": "Later"}}
