"""Which entries of the rc file a run is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from .statements import Choices, Entry, RcFile

INVENTED: Final = -1
"""The offset of an entry that stands in no file."""


def select(rc: RcFile, servers: Sequence[str]) -> list[Entry]:
    """Return the entries to poll, in the order of the file.

    Without names these are all that are not ``skip``. A name selects every entry whose poll
    name it is, in the same case, or one of whose ``aka`` names it is, in any case; whether it
    is ``skip`` does not matter. A name that selects nothing becomes an entry of its own.
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
    selected.extend(invent(name) for name in dict.fromkeys(servers) if name not in known)
    return selected


def everything(rc: RcFile, servers: Sequence[str]) -> list[Entry]:
    """Return all entries of the file, behind them those that names invent."""
    invented = [entry for entry in select(rc, servers) if entry.offset == INVENTED]
    return [*rc.entries, *invented]


def invent(name: str) -> Entry:
    """Return an entry for a server that the rc file does not mention."""
    entry = Entry(name, INVENTED)
    entry.server.values["via"] = name
    entry.users.append(Choices())
    return entry


def _aka(entry: Entry) -> tuple[str, ...]:
    return cast("tuple[str, ...]", entry.server.values.get("aka", ()))
