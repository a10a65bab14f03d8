"""``mailhaul schema``: the JSON Schema (2020-12) of each output for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from ...adapters.config.caller import Caller
from ...adapters.config.errors import quoted
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, write
from .commands import Misused, invalid

SCHEMAS: Mapping[str, str] = {
    "accounts": "mailhaul.apps.cli.accounts",
    "check": "mailhaul.apps.cli.check",
    "dry-run": "mailhaul.apps.cli.dry_run_report",
    "explain": "mailhaul.apps.cli.explained.document",
    "health": "mailhaul.apps.polls.health",
    "ledger": "mailhaul.apps.cli.ledger",
    "log": "mailhaul.apps.polls.log_schema",
    "login": "mailhaul.apps.cli.login_list",
    "quarantine": "mailhaul.apps.cli.quarantine",
    "status": "mailhaul.apps.polls.status",
    "version": "mailhaul.apps.cli.about",
}
"""The names of the outputs, and the modules with the ``SCHEMA`` of each."""


def schema(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul schema``."""
    if not arguments:
        write(sys.stdout, "".join(f"{name:11} {schema_of(name)['title']}\n" for name in SCHEMAS))
        return ExitCode.SUCCESS
    name, *others = arguments
    if others:
        raise invalid(arguments)
    if name not in SCHEMAS:
        raise Misused(f"there is no {quoted(name)}; the names are {', '.join(SCHEMAS)}")
    write(sys.stdout, json.dumps(schema_of(name), indent=2) + "\n")
    return ExitCode.SUCCESS


def schema_of(name: str) -> dict[str, Any]:
    """Return the schema with this name."""
    found: dict[str, Any] = import_module(SCHEMAS[name]).SCHEMA
    return found
