"""Run mailhaul and count what it does: ``python counting.py FILE ARGUMENT...``.

FILE gets the counts as JSON: calls of Python functions, calls of C functions, statements that the
ledger runs, and files synced. Loading modules is counted too: the cost of a message is the
difference between two runs. SQLite's own syncs are not among those counted here.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

from mailhaul.apps.main import main

Function = TypeVar("Function", bound=Callable[..., Any])
counts: Counter[str] = Counter()


def counted(name: str, original: Function) -> Function:
    """Return a function that does the same, and is counted."""

    def call(*arguments: Any) -> Any:
        counts[name] += 1
        return original(*arguments)

    return cast("Function", call)


def count_statements(original: Callable[..., sqlite3.Connection]) -> Callable[..., Any]:
    """Return what opens a database, and counts its statements."""

    def statement(_: str) -> None:
        counts["statements"] += 1

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = original(*arguments, **options)
        connection.set_trace_callback(statement)
        return connection

    return connect


def profile(_: FrameType, event: str, __: object) -> None:
    """Count an event of the interpreter."""
    counts[event] += 1


def run(file: str, arguments: list[str]) -> int:
    """Run mailhaul, and write the counts."""
    os.fsync = counted("syncs", os.fsync)
    os.fdatasync = counted("syncs", os.fdatasync)
    sqlite3.connect = count_statements(sqlite3.connect)
    sys.setprofile(profile)
    try:
        return main(arguments)
    finally:
        sys.setprofile(None)
        Path(file).write_text(json.dumps(counts))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2:]))
