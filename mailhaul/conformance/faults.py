"""What is wrong with the words, files or settings that the user gave."""

from __future__ import annotations


class WrongUse(Exception):
    """``str()`` is one line for the user: what is wrong, and what to do."""
