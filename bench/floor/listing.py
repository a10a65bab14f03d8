"""The floor of a poll that finds nothing new: PROTOCOL PORT PASSWORD USER."""

from __future__ import annotations

from .sources import SOURCES


def main(words: list[str]) -> bool:
    """Return whether there is anything new."""
    protocol, port, password, user = words
    return bool(SOURCES[protocol](int(port), user, password).new())
