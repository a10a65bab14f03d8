"""Text inside parameters: everything but plain ASCII as ``+`` and two hex digits (RFC 3461, 4)."""

from __future__ import annotations

import re

_TO_ENCODE = re.compile(rb"[^!-*,-<>-~]")
_ENCODED = re.compile(rb"\+([0-9A-F]{2})")
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")


def encode_xtext(text: bytes) -> bytes:
    """Return text as it stands in a parameter."""
    return _TO_ENCODE.sub(lambda found: b"+%02X" % found[0][0], text)


def decode_xtext(word: bytes) -> bytes:
    """Return what a parameter says. Raises ValueError for anything that is not a xtext."""
    if not _XTEXT.fullmatch(word):
        raise ValueError("not xtext")
    return _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), word)
