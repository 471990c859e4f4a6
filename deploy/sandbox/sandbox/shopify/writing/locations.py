"""locationActivate and locationDeactivate."""

from collections.abc import Callable
from typing import Any

from sandbox.shopify import stock
from sandbox.shopify.context import Info, number_of
from sandbox.shopify.refusals import refuse
from sandbox.shopify.shapes import Location
from sandbox.shopify.shop import Action
from sandbox.shopify.writing.frame import Payload, perform


def activate(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["locationId"], "Location")

    def effect(action: Action) -> Payload:
        location = _location(action, number)
        stock.open_location(action, location)
        return {"location": location}

    return _performed(info, arguments, effect, "locationActivateUserErrors")


def deactivate(_source: Any, info: Info, **arguments: Any) -> Payload:
    number = number_of(arguments["locationId"], "Location")

    def effect(action: Action) -> Payload:
        location, target = _location(action, number), _destination(action, arguments, number)
        if [one for one in action.shop.locations.values() if one.active] == [location]:
            message = "The shop's last active location cannot be deactivated."
            raise refuse(["locationId"], message, "PERMANENTLY_BLOCKED_FROM_DEACTIVATION_ERROR")
        if target is None and any(any(level.quantities.values()) for level in stock.levels_at(action.shop, location)):
            message = "Location could not be deactivated because it has active inventory."
            raise refuse(["locationId"], message, "HAS_ACTIVE_INVENTORY_ERROR")
        stock.close_location(action, location, target)
        return {"location": location}

    return _performed(info, arguments, effect, "locationDeactivateUserErrors")


def _location(action: Action, number: int) -> Location:
    if number not in action.shop.locations:
        raise refuse(["locationId"], "Location not found.", "LOCATION_NOT_FOUND")
    return action.shop.locations[number]


def _destination(action: Action, arguments: dict[str, Any], own: int) -> Location | None:
    if arguments.get("destinationLocationId") is None:
        return None
    number = number_of(arguments["destinationLocationId"], "Location")
    if number == own:
        message = "Destination location is the same as the location to be deactivated."
        raise refuse(["destinationLocationId"], message, "DESTINATION_LOCATION_IS_THE_SAME_LOCATION")
    found = action.shop.locations.get(number)
    if found is None or not found.active:
        message = "Destination location not found or inactive."
        raise refuse(["destinationLocationId"], message, "DESTINATION_LOCATION_NOT_FOUND_OR_INACTIVE")
    return found


def _performed(info: Info, arguments: Any, effect: Callable[[Action], Payload], errors: str) -> Payload:
    """The two have a name of their own for their userErrors."""
    payload = perform(info, arguments, effect, ("location",))
    return {**payload, errors: payload["userErrors"]}
