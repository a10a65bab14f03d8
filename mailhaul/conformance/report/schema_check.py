"""Checks a JSON value against the part of JSON Schema that schema.json uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, cast

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = frozenset(
    {
        *("$schema", "$id", "$defs", "$ref", "title", "description", "type", "const", "enum"),
        *("pattern", "minimum", "properties", "required", "additionalProperties", "items"),
    }
)
"""The keywords that are understood. Any other is an error of the schema."""


def faults_of(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a value, each with its place."""
    return _faults(value, schema, schema, "")


def _faults(
    value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[str]:
    if unknown := schema.keys() - KNOWN:
        raise ValueError(f"the schema uses {', '.join(sorted(unknown))}")
    if reference := schema.get("$ref"):
        schema = root["$defs"][str(reference).removeprefix("#/$defs/")]
    here = place or "the document"
    if "type" in schema and not _is_a(value, schema["type"]):
        yield f"{here} is not of type {schema['type']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{here} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{here} is none of {', '.join(map(str, schema['enum']))}"
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{here} does not match {schema['pattern']}"
    if "minimum" in schema and isinstance(value, int | float) and value < schema["minimum"]:
        yield f"{here} is less than {schema['minimum']}"
    if isinstance(value, dict):
        yield from _object_faults(cast("dict[str, Any]", value), schema, root, place)
    if _is_list(value):
        for number, item in enumerate(value):
            yield from _faults(item, schema.get("items", {}), root, f"{place}[{number}]")


def _object_faults(
    value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place or 'the document'} has no {name}"
    for name, item in value.items():
        inner = f"{place}.{name}".lstrip(".")
        if name in properties:
            yield from _faults(item, properties[name], root, inner)
        elif schema.get("additionalProperties") is False:
            yield f"{inner} is not known"


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_a(value: Any, names: str | list[str]) -> bool:
    wanted = [names] if isinstance(names, str) else names
    # For Python a bool is an int.
    if isinstance(value, bool):
        return "boolean" in wanted
    return any(isinstance(value, TYPES[name]) for name in wanted)
