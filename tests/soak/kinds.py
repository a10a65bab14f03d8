"""All kinds of faults, by their names."""

from __future__ import annotations

from . import dialogue, lines, sinks, sources
from .faults import Kind

TABLES = (dialogue.DIALOGUE, sources.FAULTS, sinks.FAULTS, lines.FAULTS, lines.PROCESS)
KINDS: dict[str, Kind] = {name: kind for table in TABLES for name, kind in table.items()}
