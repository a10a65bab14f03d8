"""Words that were probably meant, one slip of the fingers away."""

from __future__ import annotations

from collections.abc import Collection


def meant(word: str, choices: Collection[str]) -> str:
    """Return the choice that this word is, or is except for one slip; an empty string for none."""
    if word in choices:
        return word
    found = [choice for choice in sorted(choices) if is_slip(word.lower(), choice)]
    return found[0] if found else ""


def is_slip(word: str, other: str) -> bool:
    """Whether one letter too many, too few or another one, or two that changed places, differ."""
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
