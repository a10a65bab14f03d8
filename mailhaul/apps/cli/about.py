"""``mailhaul version``: the versions of all that runs, and which extras are installed."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from ... import __version__
from ...adapters.config.caller import Caller
from ...adapters.ledger.schema import VERSION
from ...flows.outcome import ExitCode
from ..polls.lines import Lines, write
from ..polls.status import as_text, closed
from .commands import invalid

EXTRAS = {
    "dns": ("dns",),
    "keyring": ("keyring",),
    "metrics": ("h11",),
    "oauth": ("h11", "cryptography"),
    "postgres": ("psycopg",),
    "progress": ("rich",),
}
"""The extras, and the modules that each needs."""
PACKAGES = ("trio", "automat", "idna")
TITLES = {"mailhaul": "mailhaul", "python": "Python", "system": "System", "sqlite": "SQLite"}


def about(arguments: Sequence[str], caller: Caller, lines: Lines) -> ExitCode:
    """Run ``mailhaul version``."""
    if list(arguments) not in ([], ["--json"]):
        raise invalid(arguments)
    found = document()
    write(sys.stdout, as_text(found) if arguments else text(found))
    return ExitCode.SUCCESS


def document() -> dict[str, Any]:
    """Return what ``--json`` prints; see ``SCHEMA``."""
    return {
        "mailhaul": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "sqlite": sqlite3.sqlite_version,
        "ledger": VERSION,
        "packages": {name: version_of(name) for name in PACKAGES},
        "extras": {name: all(map(find_spec, modules)) for name, modules in EXTRAS.items()},
    }


def text(found: dict[str, Any]) -> str:
    """Return the document as lines for people."""
    rows = [(title, found[name]) for name, title in TITLES.items()]
    rows += [(name, known or "unknown") for name, known in found["packages"].items()]
    rows.append(("ledger", f"version {found['ledger']}"))
    there = ", ".join(name for name, is_there in found["extras"].items() if is_there)
    others = ", ".join(name for name, is_there in found["extras"].items() if not is_there)
    more = f"; not installed: {others}" if others else ""
    rows.append(("extras", f"{there or 'none'}{more}"))
    return "".join(f"{title:9} {value}\n" for title, value in rows)


def version_of(package: str) -> str | None:
    """Return the version of an installed package, if it says so."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:version",
    "title": "mailhaul version --json",
    "description": "The versions of mailhaul and of what it uses.",
    **closed(
        {
            "mailhaul": {"type": "string"},
            "python": {"type": "string"},
            "system": {"type": "string"},
            "sqlite": {"type": "string"},
            "ledger": {"type": "integer", "description": "The version of the ledger's tables."},
            "packages": closed({name: {"type": ["string", "null"]} for name in PACKAGES}),
            "extras": closed(
                {name: {"type": "boolean"} for name in EXTRAS},
                description="Whether what an extra needs is installed.",
            ),
        }
    ),
}
