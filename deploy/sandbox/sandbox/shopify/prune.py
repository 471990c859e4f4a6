"""Cut Shopify's own introspection down to what the simulation keeps, and print it as SDL without descriptions.

    python -m sandbox.shopify.prune INTROSPECTION.json.gz [> schema.graphql]

Everything that stays is as Shopify has it: nullability, arguments, defaults, interfaces, deprecations, directives.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

from graphql import GraphQLSchema, build_client_schema, print_schema

from sandbox.shopify.keep import DROPPED_ENUMS, FIELDS, INPUTS

Json = dict[str, Any]

BARE_DEPRECATION = "No longer supported"  # GraphQL's own default, printed as a bare @deprecated


def read_introspection(path: Path) -> Json:
    """The `__schema` object of an introspection answer, gzipped or not."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    answer: Json = json.loads(raw)
    schema: Json = answer.get("data", answer)["__schema"]
    return schema


def prune(schema: Json) -> GraphQLSchema:
    """The schema with only the types of `keep`.

    Raises:
        KeyError: `keep` names a type or a field that the introspection does not have.

    """
    types = {t["name"]: t for t in schema["types"]}
    kept = {name: _output_type(types[name], fields.split()) for name, fields in FIELDS.items()}
    kept |= {name: _input_type(types[name], types) for name in sorted(INPUTS)}
    kept |= {name: _leaf_type(types[name]) for name in _leaves(kept, types)}
    for type_ in kept.values():
        type_["interfaces"] = _only(type_.get("interfaces"), kept)
        type_["possibleTypes"] = _only(type_.get("possibleTypes"), kept)
        for field in type_.get("fields") or ():
            field["args"] = [_plain(a) for a in field["args"] if _keeps(a, types)]
    pruned = {
        "queryType": schema["queryType"],
        "mutationType": schema["mutationType"],
        "subscriptionType": None,
        "types": [kept[name] for name in sorted(kept)],
        "directives": [{**_plain(d), "args": [_plain(a) for a in d["args"]]} for d in schema["directives"]],
    }
    return build_client_schema({"__schema": pruned}, assume_valid=True)  # type: ignore[typeddict-item]


def _output_type(type_: Json, names: list[str]) -> Json:
    if type_["kind"] == "UNION":
        return {**_plain(type_), "fields": None}
    fields = {f["name"]: f for f in type_["fields"]}
    return {**_plain(type_), "fields": [_plain(fields[name]) for name in sorted(names)]}


def _input_type(type_: Json, types: dict[str, Json]) -> Json:
    return {**_plain(type_), "inputFields": [_plain(f) for f in type_["inputFields"] if _keeps(f, types)]}


def _leaf_type(type_: Json) -> Json:
    values = type_.get("enumValues")
    return {**_plain(type_), "specifiedByURL": None, "enumValues": values and [_plain(v) for v in values]}


def _leaves(kept: dict[str, Json], types: dict[str, Json]) -> set[str]:
    """Scalars and enums that anything kept refers to."""
    builtin = {"String", "Int", "Float", "Boolean", "ID"}
    found = set(builtin)
    for type_ in kept.values():
        for field in [*(type_.get("fields") or ()), *(type_.get("inputFields") or ())]:
            found |= {_named(x["type"]) for x in [field, *field.get("args", ())] if x is field or _keeps(x, types)}
    return {name for name in found if types[name]["kind"] in {"SCALAR", "ENUM"}}


def _keeps(argument: Json, types: dict[str, Json]) -> bool:
    name = _named(argument["type"])
    if types[name]["kind"] == "INPUT_OBJECT":
        return name in INPUTS
    return name not in DROPPED_ENUMS


def _named(type_: Json) -> str:
    while type_["ofType"]:
        type_ = type_["ofType"]
    name: str = type_["name"]
    return name


def _only(references: list[Json] | None, kept: dict[str, Json]) -> list[Json] | None:
    return None if references is None else [r for r in references if r["name"] in kept]


def _plain(element: Json) -> Json:
    """Without Shopify's prose: it is not ours to copy."""
    reason = BARE_DEPRECATION if element.get("isDeprecated") else None
    return {**element, "description": None, "deprecationReason": reason}


if __name__ == "__main__":
    sys.stdout.write(print_schema(prune(read_introspection(Path(sys.argv[1])))) + "\n")
