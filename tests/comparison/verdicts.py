"""What an experiment saw, and whether that is what a user hopes for."""

from __future__ import annotations

from dataclasses import dataclass

GOOD, FAIR, BAD, NONE = "+", "o", "-", ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A cell of the page. ``mark`` is GOOD, FAIR, BAD, or NONE where there is nothing to judge."""

    mark: str
    words: str

    def __str__(self) -> str:
        """Return it as the page shows it."""
        return f"{self.mark} {self.words}".strip()


def good(words: str) -> Seen:
    """What a user hopes for."""
    return Seen(GOOD, words)


def fair(words: str) -> Seen:
    """Something that a user can live with, and may want to know."""
    return Seen(FAIR, words)


def bad(words: str) -> Seen:
    """Mail or time is lost."""
    return Seen(BAD, words)


def nothing(words: str) -> Seen:
    """Nothing that can be judged here."""
    return Seen(NONE, words)
