"""Checks a document against a JSON schema, as far as the schemas of the commands go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    *(
        "$schema",
        "$id",
        "description",
        "title",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
    ),
    *("enum", "const", "minimum", "anyOf"),
}


def faults_of(value: Any, schema: Mapping[str, Any], place: str = "$") -> list[str]:
    """Return what is wrong with a document, with the place of each fault."""
    assert schema.keys() <= KNOWN, schema.keys() - KNOWN
    faults: list[str] = []
    if "anyOf" in schema and all(faults_of(value, one, place) for one in schema["anyOf"]):
        faults.append(f"{place}: none of the alternatives")
    if "const" in schema and value != schema["const"]:
        faults.append(f"{place}: not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        faults.append(f"{place}: {value!r} is not one of {schema['enum']}")
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        kinds = tuple(kind for name in names for kind in TYPES[name])
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            return [*faults, f"{place}: {value!r} is not of type {names}"]
    if "minimum" in schema and isinstance(value, int) and value < schema["minimum"]:
        faults.append(f"{place}: {value} is below {schema['minimum']}")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        faults += [
            f"{place}.{name}: missing" for name in schema.get("required", ()) if name not in value
        ]
        for name, item in value.items():
            if name in properties:
                faults += faults_of(item, properties[name], f"{place}.{name}")
            elif schema.get("additionalProperties") is False:
                faults.append(f"{place}.{name}: unexpected")
    if isinstance(value, list):
        for number, item in enumerate(value):
            faults += faults_of(item, schema.get("items", {}), f"{place}[{number}]")
    return faults
