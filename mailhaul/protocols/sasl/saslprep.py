"""SASLprep: normalize names and passwords that look the same (RFC 4013)."""

from __future__ import annotations


def saslprep(text: bytes) -> bytes:
    """Return UTF-8 text prepared for comparison, or unchanged if it cannot be prepared.

    Text stays unchanged if it is not UTF-8, contains a prohibited character, mixes writing
    directions, or becomes empty. RFC 5802 (5.1) requires an error in these cases. But the server
    has stored some form of a password with, for example, a control character, and most likely
    the bytes as typed.
    """
    if text.isascii():
        return text
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError:
        return text
    prepared = _normalized(characters)
    if not prepared or _prohibited(prepared) or _mixes_directions(prepared):
        return text
    return prepared.encode()


def _normalized(text: str) -> str:
    """Map and normalize (RFC 4013, 2.1 and 2.2) with Unicode 3.2, as stringprep requires.

    Unassigned code points are allowed, because the text is a query string (2.5).
    """
    from stringprep import in_table_b1, in_table_c12
    from unicodedata import ucd_3_2_0

    mapped = "".join(" " if in_table_c12(c) else c for c in text if not in_table_b1(c))
    return ucd_3_2_0.normalize("NFKC", mapped)


def _prohibited(text: str) -> bool:
    """Whether a character is in the tables of RFC 4013, section 2.3."""
    import stringprep

    tables = (
        *(stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3),
        *(stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6),
        *(stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9),
    )
    return any(table(character) for character in text for table in tables)


def _mixes_directions(text: str) -> bool:
    """Whether right-to-left text breaks the rules of RFC 3454, section 6."""
    from stringprep import in_table_d1, in_table_d2

    if not any(map(in_table_d1, text)):
        return False
    return any(map(in_table_d2, text)) or not (in_table_d1(text[0]) and in_table_d1(text[-1]))
