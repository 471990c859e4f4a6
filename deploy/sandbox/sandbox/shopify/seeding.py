"""Believable events for a new shop: the same for the same seed on the same day."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sandbox.shopify import catalogue
from sandbox.shopify.catalogue import MetafieldDraft, VariantDraft
from sandbox.shopify.shapes import Location, Product
from sandbox.shopify.shop import Shop
from sandbox.shopify.writing.definitions import define

TITLES: dict[str, tuple[str, ...]] = {
    "Concert": (
        "{artist} live", "{artist}: The {thing} Tour", "Jazz Night with {artist} 🎷", "{artist} & Friends 🎉",
        "An Evening with {artist}", "ليلة موسيقية مع {artist}", "{artist}: Zugabe! <unplugged>",
    ),
    "Theatre": ("Hamlet", "The Cherry Orchard", "{thing}: A Farce in Two Acts", "Faust I & II", "ערב תיאטרון: {thing}"),
    "Sport": ("{city} Derby", "{city} Half Marathon 🏃", "Cup Final: {city} vs. the Rest", "Night of {thing} ⚽"),
    "Comedy": ("{artist} Stands Up", "Laugh Off {city} 😂", "The {thing} Roast"),
    "Workshop": ("{thing} for Beginners", "Masterclass: {thing}", "{thing} in a Day"),
    "Festival": ("{city} Summer Festival ☀️", "{thing} Fest", "Lichterfest {city} ✨"),
}  # fmt: skip
ARTISTS = (
    "The Understudies",
    "Mara Lind",
    "Café Zürich",
    "DJ Ōkami",
    "Søren & the Fjords",
    "Ana Peña",
    "Northern Wires",
)
THINGS = ("Midnight", "Velvet", "Origami", "Sourdough", "Thunder", "Paper Moon", "Watercolour", "Echo")
PLACES = (
    ("Blue Hall", "Hauptstr. 1", "Berlin", "DE", "Europe/Berlin"),
    ("Roundhouse", "Chalk Farm Rd", "London", "GB", "Europe/London"),
    ("Teatro Real", "Plaza de Isabel II", "Madrid", "ES", "Europe/Madrid"),
    ("Brooklyn Loft", "5th Ave 200", "New York", "US", "America/New_York"),
    ("Kulturbunker", "Rheinallee 9", "Köln", "DE", "Europe/Berlin"),
    ("Sala Apolo", "Carrer Nou 113", "Barcelona", "ES", "Europe/Madrid"),
)
ORGANIZERS = ("Blue Hall", "Nightshift Events", "City Culture", "Starling & Sons")
TICKETS = (
    ("Standing", "general", 25), ("Seated", "seat", 40), ("VIP", "vip", 120), ("Student", "reduced", 15),
    ("Early Bird", "general", 20), ("Balcony", "seat", 55), ("Backstage", "hidden", 0),
)  # fmt: skip
TAGS = ("jazz", "rock", "family", "outdoor", "evening", "premiere", "accessible", "english")
LINE = "single_line_text_field"
DEFINED: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("PRODUCT", "event", {
        "subtitle": LINE, "starts_at": "date_time", "ends_at": "date_time", "timezone": LINE, "venue_name": LINE,
        "venue_address": LINE, "venue_city": LINE, "venue_country": LINE, "organizer": LINE, "category": LINE,
    }),
    ("PRODUCTVARIANT", "ticket", {
        "capacity": "number_integer", "type": LINE, "max_per_order": "number_integer", "visible": "boolean",
    }),
)  # fmt: skip
HIDDEN = ("DRAFT", "DRAFT", "ARCHIVED")
ACTIVE_TO_HIDDEN = 10  # one hidden event comes on top of so many active ones
MOST_TICKETS = 5  # of an event, unless a number is given
SPREAD_DAYS = 90


def furnish(shop: Shop) -> None:
    """What every shop has: two locations, its online store, and definitions of what an event needs."""
    shop.add_location("Box office", "Berlin", "DE")
    shop.add_location("Partner outlet", "Köln", "DE")
    shop.add_publication("Online Store")
    define_metafields(shop)


def define_metafields(shop: Shop) -> None:
    for owner, namespace, types in DEFINED:
        for key, type_ in types.items():
            define(shop, owner, namespace, key, type_)


def seed_events(shop: Shop, events: int, seed: int, tickets: int | None = None) -> None:
    """So many events that anyone can see, and a few that only organizers can; `tickets` each, or one to five."""
    chance = random.Random(seed)  # noqa: S311 - made-up events, not secrets
    locations = list(shop.locations.values())
    for number in range(1, events + 1):
        _seed_one(shop, chance, locations, "ACTIVE", tickets)
        if number % ACTIVE_TO_HIDDEN == 0:
            _seed_one(shop, chance, locations, chance.choice(HIDDEN), tickets)
    shop.journal.clear()


def _seed_one(shop: Shop, chance: random.Random, locations: list[Location], status: str, count: int | None) -> None:
    category = chance.choice(list(TITLES))
    place = chance.choice(PLACES)
    title = chance.choice(TITLES[category]).format(
        artist=chance.choice(ARTISTS), thing=chance.choice(THINGS), city=place[2]
    )
    fields = {
        "title": title,
        "handle": catalogue.free_handle(shop, catalogue.slug(title)),
        "body_html": f"<p>{title} at <strong>{place[0]}</strong>. Doors open an hour before.</p>",
        "vendor": chance.choice(ORGANIZERS),
        "product_type": category,
        "status": status,
        "tags": sorted(chance.sample(TAGS, chance.randint(0, 3))),
    }
    tickets = chance.sample(TICKETS, count or chance.randint(1, MOST_TICKETS))
    drafts = [_ticket(chance, ticket, locations) for ticket in tickets]
    with shop.action("seed", "seed") as action:
        product = catalogue.create_product(action, fields, [("Ticket", [t[0] for t in tickets])], drafts)
        for key, type_, value in _event_metafields(chance, shop.now(), category, place):
            catalogue.set_metafield(action, product, MetafieldDraft("event", key, type_, value))
        catalogue.set_images(action, product, [(f"https://cdn.shopify.com/s/files/1/0001/{product.id}.jpg", title)])
        if product.status == "ACTIVE":
            catalogue.publish(action, product, list(shop.publications))
    _age(product, chance)


def _ticket(chance: random.Random, ticket: tuple[str, str, int], locations: list[Location]) -> VariantDraft:
    name, type_, price = ticket
    capacity = chance.choice((20, 50, 100, 250, 500, 1200))
    left = chance.choice((capacity, capacity // 2, capacity // 10, capacity // 20, 0))
    at_partner = left // 4 if chance.random() < 0.5 else 0  # noqa: PLR2004 - every other one is sold elsewhere too
    quantities = {locations[0].id: left - at_partner, locations[1].id: at_partner}
    metafields = [
        MetafieldDraft("ticket", "capacity", "number_integer", str(capacity)),
        MetafieldDraft("ticket", "type", "single_line_text_field", type_),
        MetafieldDraft("ticket", "max_per_order", "number_integer", str(chance.choice((2, 4, 6, 10)))),
        MetafieldDraft("ticket", "visible", "boolean", "false" if type_ == "hidden" else "true"),
    ]
    return VariantDraft(
        option_values=[name],
        price=Decimal(price + chance.randint(0, 30)),
        sku=f"{name[:3].upper()}-{chance.randint(1000, 9999)}",
        tracked=True,
        requires_shipping=False,
        quantities=quantities,
        metafields=metafields,
    )


def _event_metafields(
    chance: random.Random, now: datetime, category: str, place: tuple[str, str, str, str, str]
) -> list[tuple[str, str, str]]:
    venue, address, city, country, zone = place
    day = (now + timedelta(days=chance.randint(3, 360))).date()
    starts = datetime(day.year, day.month, day.day, chance.choice((11, 15, 19, 20)), tzinfo=ZoneInfo(zone))
    ends = starts + timedelta(hours=chance.choice((2, 3, 5)))
    line = "single_line_text_field"
    found = [
        ("starts_at", "date_time", starts.isoformat()),
        ("timezone", line, zone),
        ("venue_name", line, venue),
        ("venue_address", line, address),
        ("venue_city", line, city),
        ("venue_country", line, country),
        ("organizer", line, chance.choice(ORGANIZERS)),
        ("category", line, category.lower()),
    ]
    if chance.random() < 0.7:  # noqa: PLR2004 - most have a subtitle
        found.append(("subtitle", line, f"Live in {city}"))
    if chance.random() < 0.8:  # noqa: PLR2004 - most say when they end
        found.append(("ends_at", "date_time", ends.isoformat()))
    return found


def _age(product: Product, chance: random.Random) -> None:
    """Spread the past: a shop whose products were all made this second is no shop."""
    created = timedelta(seconds=chance.randint(3600, SPREAD_DAYS * 86_400))
    updated = timedelta(seconds=chance.randint(60, int(created.total_seconds())))
    now = product.created_at
    product.created_at, product.updated_at = now - created, now - updated
    product.published_at = product.created_at if product.published_at else None
    for variant in product.variants:
        variant.created_at = variant.item.created_at = now - created
        variant.updated_at = variant.item.updated_at = now - updated
        for level in variant.item.levels.values():
            level.created_at, level.updated_at = now - created, now - updated
