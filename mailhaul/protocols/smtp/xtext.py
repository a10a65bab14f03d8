"""xtext, the encoding of parameter values (RFC 3461, section 4).

Octets other than printable ASCII, and ``+`` and ``=``, become ``+`` and two hexadecimal digits.
"""

from __future__ import annotations

import re

_TO_ENCODE = re.compile(rb"[^!-*,-<>-~]")
_ENCODED = re.compile(rb"\+([0-9A-F]{2})")
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")


def encode_xtext(text: bytes) -> bytes:
    """Return the text encoded as xtext."""
    return _TO_ENCODE.sub(lambda found: b"+%02X" % found[0][0], text)


def decode_xtext(word: bytes) -> bytes:
    """Return the decoded xtext. Raises ValueError for anything else."""
    if not _XTEXT.fullmatch(word):
        raise ValueError("not xtext")
    return _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), word)
