"""Parts of the JSON schemas of what the commands print, in JSON Schema 2020-12."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
COUNT: Schema = {"type": "integer", "minimum": 0}
COUNT_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
NUMBER_OR_NULL: Schema = {"type": ["integer", "null"]}
YES_OR_NO: Schema = {"type": "boolean"}


def of_fields(fields: Schema, optional: Schema | None = None) -> dict[str, Any]:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """Return the schema of a value that may be missing."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(values: Iterable[str | None]) -> Schema:
    """Return the schema of one of these words."""
    return {"enum": list(values)}


def whole(title: str, name: str, version: int, fields: Schema) -> Schema:
    """Return the schema of a document; ``name`` and ``version`` are in its first two fields."""
    begin = {"document": {"const": name}, "version": {"const": version}}
    about = {
        "$schema": DIALECT,
        "$id": f"urn:mailhaul:schema:{name.removeprefix('mailhaul-')}",
        "title": title,
        "description": f'The output of "{title}".',
    }
    return {**about, **of_fields({**begin, **fields})}
