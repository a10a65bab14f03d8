"""Transcripts as text: octets escaped, one line of the dialogue on each line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..transcript import REMARK, Entry, Transcript

MAX_OCTETS = 2000
"""Octets of one entry that are shown."""
ESCAPED = re.compile(r"\\(\\|r|n|t|x[0-9a-f]{2})")
CONTROLS = {"\\": "\\", "r": "\r", "n": "\n", "t": "\t"}
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def escape(octets: bytes) -> str:
    r"""Return octets as text: printable ASCII as it is, all else as ``\r``, ``\n`` or ``\xff``."""
    return "".join(map(_escaped, octets))


def _escaped(octet: int) -> str:
    if octet == 0x5C:
        return r"\\"
    if 0x20 <= octet < 0x7F:
        return chr(octet)
    return {0x0D: r"\r", 0x0A: r"\n", 0x09: r"\t"}.get(octet, f"\\x{octet:02x}")


def unescape(text: str) -> bytes:
    """Return the octets that ``escape`` has made a text of."""
    plain = ESCAPED.sub(lambda found: CONTROLS.get(found[1]) or chr(int(found[1][1:], 16)), text)
    return plain.encode("latin-1", "replace")


def one_line(text: str) -> str:
    """Return text from outside in printable form, on one line."""
    return "".join(
        character
        if character.isprintable() and character not in BIDI
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def shown(octets: bytes) -> list[str]:
    """Return the lines of one entry. CRLF at the end of a line is not shown, all else is."""
    cut = f" ... ({len(octets)} octets)" if len(octets) > MAX_OCTETS else ""
    lines = octets[:MAX_OCTETS].split(b"\r\n")
    last = lines.pop()
    texts = [escape(line) for line in lines]
    if last or not texts:
        texts.append(escape(last) + ("" if cut or last.endswith(b"\n") else " (no line end)"))
    texts[-1] += cut
    return texts


def dialogue(transcript: Transcript) -> Iterator[str]:
    """Yield a transcript as lines: seconds, who, and the text."""
    several = len({entry.session for entry in transcript.entries}) > 1
    for entry in transcript.entries:
        yield from _lines_of(entry, several)


def _lines_of(entry: Entry, several: bool) -> Iterator[str]:
    number = str(entry.session) if several else ""
    who = f"{entry.who}{number}:" if entry.who != REMARK else f"*{number} "
    texts = [escape(entry.octets)] if entry.who == REMARK else shown(entry.octets)
    for text in texts:
        yield f"{entry.seconds:8.3f} {who} {text}".rstrip()
