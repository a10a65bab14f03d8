"""The contents of an rc file, before they are merged with defaults and command line."""

from __future__ import annotations

from .errors import ConfigWarning, Source


class Choices:
    """Values that the user chose, by option name, and the offset of each keyword.

    Empty lists, and a timeout or interval of 0, are missing, since they count as not chosen.
    """

    __slots__ = ("places", "values")

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.places: dict[str, int] = {}


class Entry:
    """One ``poll``, ``skip`` or ``defaults``; ``users`` is never empty when it is complete."""

    __slots__ = ("offset", "pollname", "server", "skip", "users")

    def __init__(self, pollname: str, offset: int, *, skip: bool = False) -> None:
        self.pollname = pollname
        self.offset = offset
        self.skip = skip
        self.server = Choices()
        self.users: list[Choices] = []


class RcFile:
    """The statements of an rc file, in order."""

    __slots__ = ("defaults", "entries", "globals", "source", "warnings")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.globals = Choices()
        self.defaults: Entry | None = None
        self.entries: list[Entry] = []
        self.warnings: list[ConfigWarning] = []
