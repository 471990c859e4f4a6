"""Lines become products again, however they are scattered; what does not add up is seen."""

import itertools

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer import graphql_nodes
from syncer.export import lines
from syncer.export.assembly import Staged, assemble
from syncer.export.errors import ExportMalformed

AT = "2026-11-01T10:00:00Z"


def product_lines(product_id: int, variants: int, levels: int, media: int) -> list[bytes]:
    """As Shopify writes them: parents before their children, `__parentId` last."""
    gid = f"gid://shopify/Product/{product_id}"
    found = [
        {
            "id": gid, "legacyResourceId": str(product_id), "handle": f"h{product_id}", "title": "Jazz \u2028 Night",
            "descriptionHtml": "<p>&</p>", "status": "ACTIVE", "productType": "music", "tags": ["a"], "createdAt": AT,
            "updatedAt": AT, "variantsCount": {"count": variants}, "mediaCount": {"count": media},
            "m0": {"namespace": "event", "key": "category", "value": "music"}, "m1": None,
        }
    ]  # fmt: skip
    found += [
        {
            "id": f"gid://shopify/MediaImage/{product_id * 100 + number}",
            "alt": None,
            "image": {"url": f"https://cdn.example/{number}.jpg"},
            "__parentId": gid,
        }
        for number in range(media)
    ]
    for number in range(variants):
        variant_id = product_id * 100 + number
        variant = f"gid://shopify/ProductVariant/{variant_id}"
        found.append(
            {
                "id": variant, "legacyResourceId": str(variant_id), "title": f"Row {number}", "sku": None,
                "price": "10.00", "compareAtPrice": None, "position": number + 1, "inventoryPolicy": "DENY",
                "inventoryQuantity": levels, "updatedAt": AT, "m0": None,
                "m1": {"namespace": "ticket", "key": "type", "value": "seat"},
                "inventoryItem": {"id": f"gid://shopify/InventoryItem/{variant_id}", "tracked": True,
                                  "legacyResourceId": str(variant_id), "locationsCount": {"count": levels}},
                "__parentId": gid,
            }
        )  # fmt: skip
        for place in range(levels):
            level = f"gid://shopify/InventoryLevel/{variant_id}{place}?inventory_item_id={variant_id}"
            found.append(
                {
                    "id": level, "isActive": True, "updatedAt": AT, "location": {"legacyResourceId": str(place + 1)},
                    "quantities": [{"name": "available", "quantity": 1}], "__parentId": variant,
                }
            )  # fmt: skip
    return [orjson.dumps(line) for line in found]


def staged(written: list[bytes]) -> list[Staged]:
    """As they come out of the table: parents first, in Shopify's order below one parent."""
    turns = {"product": 1, "variant": 2, "medium": 3, "level": 4}
    read = [(lines.read(line), line) for line in written]
    rows = [Staged(each.kind, each.id, each.parent, line) for each, line in read]
    return sorted(rows, key=lambda row: turns[row.kind])


SHAPES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4)


@given(SHAPES, st.randoms(use_true_random=False))
def test_any_scatter_of_lines_gives_the_same_products(shapes, chance):
    written = [product_lines(number, *shape) for number, shape in enumerate(shapes, 1)]
    scattered = []  # of each connection in its order, else anyhow
    queues = [
        list(group)
        for of_product in written
        for _, group in itertools.groupby(
            sorted(of_product, key=lambda line: (lines.read(line).kind, lines.read(line).parent)),
            key=lambda line: (lines.read(line).kind, lines.read(line).parent),
        )
    ]
    while queues:
        queue = chance.choice(queues)
        scattered.append(queue.pop(0))
        queues = [each for each in queues if each]
    straight = {each.product_id: each for each in assemble(staged(list(itertools.chain(*written))))}
    for each in assemble(staged(scattered)):
        assert each == straight[each.product_id]
        assert each.missing is None
        product, levels = graphql_nodes.product(orjson.dumps(each.node))
        assert (len(product.variants), sum(map(len, levels.values())), len(product.images)) == (
            shapes[each.product_id - 1][0],
            shapes[each.product_id - 1][0] * shapes[each.product_id - 1][1],
            shapes[each.product_id - 1][2],
        )
        assert product.metafields == {"event.category": "music"}
        assert all(variant.metafields == {"ticket.type": "seat"} for variant in product.variants)


@given(st.integers(1, 29))
def test_a_product_that_lacks_any_of_its_lines_does_not_add_up(lost):
    written = product_lines(7, 5, 4, 4)  # 1 + 4 + 5 x (1 + 4) = 30
    kind = lines.read(written.pop(lost)).kind
    if kind == "variant":
        parents = {lines.read(line).id for line in written if lines.read(line).kind == "variant"}
        written = [line for line in written if lines.read(line).kind != "level" or lines.read(line).parent in parents]
    [assembled] = assemble(staged(written))
    assert assembled.missing == {"variant": "variants", "medium": "media", "level": "levels"}[kind]


def test_a_count_that_shopify_does_not_give_is_not_held_against_it():
    [line] = product_lines(7, 0, 0, 0)
    unsaid = orjson.dumps(orjson.loads(line) | {"variantsCount": None, "mediaCount": None})
    assert (lines.read(unsaid).children, assemble(staged([unsaid]))[0].missing) == (None, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"garbage",
        b"[]",
        b"{}",
        b"null",
        b'{"id":"gid://shopify/Product/1"}',
        b'{"id":"gid://shopify/Product/x","variantsCount":null,"mediaCount":null}',
        b'{"id":"http://shopify/Product/1","variantsCount":null,"mediaCount":null}',
        b'{"id":"gid://shopify/Order/1"}',
        b'{"id":"gid://shopify/InventoryLevel/1","__parentId":"gid://shopify/InventoryItem/2"}',
        b'{"id":1}',
        product_lines(1, 1, 1, 1)[0][:-7],
        product_lines(1, 1, 1, 1)[2][: len(product_lines(1, 1, 1, 1)[2]) // 2],
    ],
)
def test_what_is_no_line_of_an_export_has_a_name(line):
    with pytest.raises(ExportMalformed):
        lines.read(line)


def test_escaped_slashes_and_ampersands_are_read_as_shopify_writes_them():
    [line] = product_lines(7, 0, 0, 0)
    escaped = line.replace(b"/", rb"\/").replace(b"&", rb"\u0026")
    assert (lines.read(escaped).id, assemble(staged([escaped]))) == (7, assemble(staged([line])))
