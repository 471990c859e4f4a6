"""Webhook bodies as XML, the way Rails writes a hash: dashes in names, `type` on what is no text. Pure."""

from typing import Any
from xml.sax.saxutils import escape

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def as_xml(topic: str, body: dict[str, Any]) -> bytes:
    """`topic` in its slash form: products/update makes a <product>."""
    return (HEAD + _element(_singular(topic.partition("/")[0]), body, 0)).encode()


def _element(name: str, value: Any, depth: int) -> str:
    pad, name = "  " * depth, name.replace("_", "-")
    match value:
        case None:
            return f'{pad}<{name} nil="true"/>\n'
        case bool():
            return f'{pad}<{name} type="boolean">{str(value).lower()}</{name}>\n'
        case int():
            return f'{pad}<{name} type="integer">{value}</{name}>\n'
        case list():
            inner = "".join(_element(_singular(name), element, depth + 1) for element in value)
            return f'{pad}<{name} type="array">\n{inner}{pad}</{name}>\n'
        case dict():
            inner = "".join(_element(key, element, depth + 1) for key, element in value.items())
            return f"{pad}<{name}>\n{inner}{pad}</{name}>\n"
        case _:
            return f"{pad}<{name}>{escape(str(value))}</{name}>\n"


def _singular(name: str) -> str:
    return name.removesuffix("s") if not name.endswith("ss") else name
