"""All kinds of faults, by their names."""

from __future__ import annotations

from . import (
    dialogue,
    disk,
    gmail_sink,
    imap_source,
    ledger,
    lines,
    mda_sink,
    others,
    pop3_source,
    smtp_sink,
)
from .faults import Kind

TABLES = (
    dialogue.DIALOGUE,
    imap_source.FAULTS,
    pop3_source.FAULTS,
    smtp_sink.FAULTS,
    gmail_sink.FAULTS,
    mda_sink.FAULTS,
    disk.FAULTS,
    ledger.FAULTS,
    lines.FAULTS,
    lines.PROCESS,
    others.FAULTS,
)
KINDS: dict[str, Kind] = {name: kind for table in TABLES for name, kind in table.items()}
"""What may go wrong: each kind with what it does and where."""


def possible(source: str, sink: str) -> list[tuple[str, str]]:
    """Return what may go wrong between this source and this sink, and where."""
    dialogue = "smtp" if sink in {"smtp", "lmtp"} else sink
    places = {source, f"between {source}", "process", "ledger", "line source", dialogue}
    if dialogue in {"smtp", "append", "gmail"}:
        places.add("line sink")
    if dialogue != "smtp":
        places.add("disk")
    return [
        (name, at)
        for name, kind in KINDS.items()
        for at in kind.at
        if at in places or at.split()[0] in places
    ]
