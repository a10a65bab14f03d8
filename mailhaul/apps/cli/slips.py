"""Find the command that a mistyped word was probably meant to be."""

from __future__ import annotations

from collections.abc import Collection


def meant(word: str, choices: Collection[str]) -> str:
    """Return the choice that equals this word or differs by one typing error, or ""."""
    if word in choices:
        return word
    found = [choice for choice in sorted(choices) if is_slip(word.lower(), choice)]
    return found[0] if found else ""


def is_slip(word: str, other: str) -> bool:
    """Whether two words differ by one added, missing or wrong letter, or two swapped letters."""
    if abs(len(word) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(word), len(other)) and word[start] == other[start]:
        start += 1
    rest, other_rest = word[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[1::-1] + rest[2:] == other_rest and len(rest) > 1)
    )
