"""Encoded words of a header, decoded where that cannot change what the header says (RFC 2047).

Decoded words are UTF-8, whatever their charset was: a header cannot name one (RFC 6532, section
3.2). A word stays as it is where anything about it is doubtful: a charset that is not listed here,
octets that are not in it, a control character in the text, text that would be decoded once more,
or a line that would get too long.

Text is text in the fields of UNSTRUCTURED. In address fields only display names are touched, and
put in quotes where what was hidden in an encoded word would be punctuation now. All other fields
pass, and so do comments and quoted strings.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from ..dots import with_line_feeds
from .addresses import BLANKS, COMMENT, PUNCTUATION, QUOTE, comment_end, quoted_end, word_end
from .header import Field
from .rewrite import REWRITTEN

LINE_LIMIT = 998
"""Octets of a line without its CRLF (RFC 5322, 2.1.1)."""
FIELD_LIMIT = 64 * 1024
"""Octets of a field above which it is not taken apart: that takes a hundred times as many."""
UNSTRUCTURED = (b"subject", b"comments", b"content-description", b"organization")
ADDRESSES = REWRITTEN - {b"return-path"}

CHARSETS = frozenset(
    {
        *("us-ascii", "utf-8", "koi8-r", "koi8-u", "tis-620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5-hkscs"),
        *("euc-jp", "shift_jis", "iso-2022-jp", "euc-kr", "iso-2022-kr", "ks_c_5601-1987"),
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"windows-{page}" for page in range(1250, 1259)),
    }
)
"""Charsets by the names that Python knows them by, too. It remembers every other name that it is
asked for, so it is not asked for what strangers make up."""

ENCODED = re.compile(rb"=\?([\w.-]+)(?:\*[\w-]*)?\?([bBqQ])\?([!->@-~]*)\?=")
Q_TEXT = re.compile(rb"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*")
BLANK = re.compile(rb"([ \t\r\n]+)")
BLANK_LINE = re.compile(rb"\n[ \t\r]*+(?=\n|\Z)")
"""A continuation of nothing but blanks: some readers see the end of the header in it."""
UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f]")
SPECIALS = frozenset(b'()<>[]:;@\\,."')
"""What ends an atom (RFC 5322, 3.2.3)."""
LESS, MORE, COLON = b"<>:"


def with_words_decoded(field: Field) -> bytes:
    """Return a field as it came, but for its encoded words."""
    if b"=?" not in field.raw or len(field.raw) > FIELD_LIMIT:
        return field.raw
    start = field.raw.find(b":") + 1
    if field.key in UNSTRUCTURED:
        body = decoded_text(field.raw[start:])
    elif field.key in ADDRESSES:
        body = decoded_names(field.raw[start:])
    else:
        return field.raw
    changed = field.raw[:start] + body
    longest = max(map(len, with_line_feeds(changed).split(b"\n")))
    emptied = len(BLANK_LINE.findall(changed)) > len(BLANK_LINE.findall(field.raw))
    return field.raw if longest > LINE_LIMIT or emptied else changed


def decoded_text(body: bytes) -> bytes:
    """Return unstructured text with its encoded words decoded (RFC 2047, section 5, 1)."""
    tokens: list[Token] = []
    start = 0
    for piece in BLANK.split(body):
        end = start + len(piece)
        tokens.append(Token(start, end, ENCODED.fullmatch(piece) is not None))
        start = end
    return with_runs_decoded(body, tokens, as_phrase=False)


def decoded_names(body: bytes) -> bytes:
    """Return an address list with the encoded words of its display names decoded (section 5, 3)."""
    return with_runs_decoded(body, names(body), as_phrase=True)


class Token(NamedTuple):
    """Where a piece of a field's body stands, and whether it is an encoded word to be decoded."""

    start: int
    end: int
    encoded: bool


def with_runs_decoded(body: bytes, tokens: list[Token], *, as_phrase: bool) -> bytes:
    """Return the body with each run of encoded words decoded; the blanks between them go."""
    pieces: list[bytes] = []
    position = 0
    for run in runs(body, tokens):
        start, end = run[0].start, run[-1].end
        text = decoded_run([body[token.start : token.end] for token in run])
        if text is not None:
            pieces += (body[position:start], quoted_if_needed(text) if as_phrase else text)
            position = end
    return b"".join((*pieces, body[position:]))


def runs(body: bytes, tokens: list[Token]) -> Iterator[list[Token]]:
    """Yield encoded words that nothing but blanks stands between, as one run."""
    solid = [token for token in tokens if body[token.start : token.end].strip(b" \t\r\n")]
    for encoded, run in groupby(solid, key=lambda token: token.encoded):
        if encoded:
            yield list(run)


def names(body: bytes) -> list[Token]:
    """Return the tokens of an address list.

    An encoded word is one to be decoded if it stands before the angle bracket of an address or
    before the colon of a group. Anywhere else it could become an address itself.
    """
    tokens: list[Token] = []
    waiting: list[int] = []
    in_angle = False
    position = 0
    while position < len(body):
        byte = body[position]
        end = token_end(body, position)
        if byte in PUNCTUATION:
            if byte in (LESS, COLON) and not in_angle:
                for index in waiting:
                    tokens[index] = tokens[index]._replace(encoded=True)
            waiting.clear()
            in_angle = byte == LESS or (in_angle and byte != MORE)
        elif ENCODED.fullmatch(body, position, end):
            waiting.append(len(tokens))
        tokens.append(Token(position, end, encoded=False))
        position = end
    return tokens


def token_end(body: bytes, position: int) -> int:
    """Return where the token that begins here is over; an open string lasts to the end."""
    byte = body[position]
    if byte == COMMENT:
        return comment_end(body, position)
    if byte == QUOTE:
        end = quoted_end(body, position)
        return len(body) if end < 0 else end
    if byte in PUNCTUATION or byte in BLANKS:
        return position + 1
    return word_end(body, position)


def decoded_run(words: list[bytes]) -> bytes | None:
    """Return what adjacent encoded words say, None if they are to stay.

    Words of one charset are put together before that is applied: some programs cut inside a
    character.
    """
    texts: list[str] = []
    try:
        for charset, parts in groupby(map(octets_of, words), key=lambda part: part[0]):
            texts.append(b"".join(octets for _, octets in parts).decode(charset))
    except (UnicodeError, Error):
        return None
    text = "".join(texts)
    if text.isspace() or "=?" in text or UNPRINTABLE.search(text):
        return None
    return text.encode("utf-8")


def octets_of(word: bytes) -> tuple[str, bytes]:
    """Return the charset and the octets of an encoded word. Raises UnicodeError and Error."""
    found = ENCODED.fullmatch(word)
    if found is None:
        raise Error("no encoded word")
    charset = found[1].decode("ascii").lower()
    if charset not in CHARSETS:
        raise UnicodeError(charset)
    if found[2] in b"bB":
        return charset, a2b_base64(found[3], strict_mode=True)
    if not Q_TEXT.fullmatch(found[3]):
        raise Error("no Q encoding")
    return charset, a2b_qp(found[3], header=True)


def quoted_if_needed(text: bytes) -> bytes:
    """Return text as it may stand in a display name (RFC 5322, 3.2.5)."""
    if text and SPECIALS.isdisjoint(text):
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
