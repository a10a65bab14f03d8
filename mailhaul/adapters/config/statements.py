"""What an rc file says, before defaults and command line are merged into it."""

from __future__ import annotations

from .errors import ConfigWarning, Source


class Choices:
    """Values that the user chose, by option name, and the offset of each one's keyword.

    A list is here only if it is not empty; a timeout or interval of 0 is not here, as it
    counts as not chosen.
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
    """The statements of an rc file in their order."""

    __slots__ = ("defaults", "entries", "globals", "source", "warnings")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.globals = Choices()
        self.defaults: Entry | None = None
        self.entries: list[Entry] = []
        self.warnings: list[ConfigWarning] = []
