"""Shopify's global ids: "gid://shopify/Product/42" <-> 42. Pure."""

from shared.errors import Permanent


class NoId(Permanent):
    """A command on something that exists doesn't say on what."""


def known(number: int | None, kind: str = "Product") -> int:
    """Raises `NoId`."""
    if number is None:
        raise NoId(f"the command names no {kind}")
    return number


def gid(kind: str, number: int | None) -> str:
    """Raises `NoId`."""
    return f"gid://shopify/{kind}/{known(number, kind)}"


def number(text: str) -> int:
    """The digits at the end. Raises ValueError when there are none."""
    return int(text.rpartition("/")[2])
