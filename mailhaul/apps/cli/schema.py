"""``mailhaul schema``: the JSON Schema (2020-12) of each output for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from ...flows.outcome import ExitCode
from ..polls.lines import Lines, write

USAGE = """\
usage: mailhaul schema [NAME]

Prints the JSON Schema (2020-12) of an output for programs. Without NAME, lists the names.
"""
SCHEMAS: Mapping[str, str] = {
    "health": "mailhaul.apps.polls.health",
    "ledger": "mailhaul.apps.cli.ledger",
    "log": "mailhaul.apps.polls.log_schema",
    "login": "mailhaul.apps.cli.login_list",
    "quarantine": "mailhaul.apps.cli.quarantine",
    "status": "mailhaul.apps.polls.status",
    "version": "mailhaul.apps.cli.about",
}
"""The names of the outputs, and the modules with the ``SCHEMA`` of each."""


def schema(arguments: Sequence[str], lines: Lines) -> ExitCode:
    """Run ``mailhaul schema``."""
    if arguments in (["-h"], ["-?"], ["--help"]):
        write(sys.stdout, USAGE)
        return ExitCode.SUCCESS
    if not arguments:
        write(sys.stdout, "".join(f"{name:11} {schema_of(name)['title']}\n" for name in SCHEMAS))
        return ExitCode.SUCCESS
    name, *others = arguments
    if others or name not in SCHEMAS:
        lines.complain(f'schema: invalid arguments: "{" ".join(arguments)}"')
        lines.complain(f"the names are {', '.join(SCHEMAS)}")
        return ExitCode.SYNTAX
    write(sys.stdout, json.dumps(schema_of(name), indent=2) + "\n")
    return ExitCode.SUCCESS


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema with this name."""
    found: dict[str, Any] = import_module(SCHEMAS[name]).SCHEMA
    return found
