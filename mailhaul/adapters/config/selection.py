"""Select the entries of the rc file for a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from .statements import Choices, Entry, RcFile

NOT_IN_FILE: Final = -1
"""The offset of an entry that is not in the rc file."""


def select(rc: RcFile, servers: Sequence[str]) -> list[Entry]:
    """Return the entries to poll, in the order of the file.

    Without names, these are all entries except ``skip`` entries. A name selects every entry with
    this poll name (case-sensitive) or with this ``aka`` name (not case-sensitive), ``skip`` entries
    included. A name that selects nothing becomes a new entry.
    """
    if not servers:
        return [entry for entry in rc.entries if not entry.skip]
    wanted = set(servers)
    folded = {name.lower() for name in servers}
    selected: list[Entry] = []
    known: set[str] = set()
    for entry in rc.entries:
        aka = {name.lower() for name in _aka(entry)} & folded
        if entry.pollname in wanted or aka:
            selected.append(entry)
            known.add(entry.pollname)
            known.update(name for name in wanted if name.lower() in aka)
    selected.extend(new_entry(name) for name in dict.fromkeys(servers) if name not in known)
    return selected


def all_names(rc: RcFile) -> set[str]:
    """Return the poll names of all entries, and their ``aka`` names."""
    return {name for entry in rc.entries for name in (entry.pollname, *_aka(entry))}


def all_entries(rc: RcFile, servers: Sequence[str]) -> list[Entry]:
    """Return all entries of the file, followed by new entries for unknown names."""
    new = [entry for entry in select(rc, servers) if entry.offset == NOT_IN_FILE]
    return [*rc.entries, *new]


def new_entry(name: str) -> Entry:
    """Return an entry for a server that the rc file does not mention."""
    entry = Entry(name, NOT_IN_FILE)
    entry.server.values["via"] = name
    entry.users.append(Choices())
    return entry


def _aka(entry: Entry) -> tuple[str, ...]:
    return cast("tuple[str, ...]", entry.server.values.get("aka", ()))
