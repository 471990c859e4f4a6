"""What our own reads say on the bus is what webhooks say, in the same words."""

import orjson
from products import PRODUCT, SHOP, Product, at, node

from shared.contracts import Origin, ProductChangedV1, ProductDeletedV1, parse
from syncer import changes, sightings
from syncer.rules import Rules


def test_a_read_comes_back_from_the_bus_as_it_was():
    said = sightings.of_product(node(Product(title="🎷 ערב")), Origin.BACKFILL, SHOP, at(5.5), at(5.5))
    heard = parse(said.headers(), said.body)
    assert isinstance(heard, ProductChangedV1)
    assert heard == said
    seen = changes.sighting(heard, Rules())
    assert (seen.product.title, seen.version, seen.is_read) == ("🎷 ערב", (at(0), at(5.5)), True)


def test_an_absence_is_a_deletion_that_says_it_was_a_read():
    said = sightings.of_absence(PRODUCT, Origin.REFETCH, SHOP, at(7), at(7))
    heard = parse(said.headers(), said.body)
    assert isinstance(heard, ProductDeletedV1)
    assert (heard.product_id, heard.origin, heard.triggered_at) == (PRODUCT, Origin.REFETCH, at(7))


def test_every_read_has_an_id_of_its_own_or_the_bus_would_drop_the_second_answer():
    first, second = (
        sightings.of_product(node(Product()), Origin.REFETCH, SHOP, at(9), at(began)) for began in (1, 1.000001)
    )
    assert first.id != second.id
    assert orjson.loads(first.body) == orjson.loads(second.body)
