"""Decode the encoded words of a header where that cannot change its meaning (RFC 2047).

Decoded words are UTF-8, whatever their charset was, because a header has no place to declare one
(RFC 6532, section 3.2). A word stays encoded if anything about it is doubtful: a charset that is
not listed here, octets that are invalid in it, a control character in the text, text that would be
decoded a second time, or a line that would become too long.

The fields in UNSTRUCTURED are decoded as text. In address fields only display names are decoded.
They are quoted if the decoded text contains punctuation. All other fields stay unchanged, and so do
comments and quoted strings.
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

MAX_LINE = 998
"""Maximum length of a line in octets, without its CRLF (RFC 5322, 2.1.1)."""
MAX_FIELD = 64 * 1024
"""Maximum length in octets of a field that is decoded; this takes about 100 times that memory."""
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
"""The charsets that are decoded, by names that Python also knows.

Python caches every charset name it looks up, so names from untrusted mail are not passed to it.
"""

ENCODED = re.compile(rb"=\?([\w.-]+)(?:\*[\w-]*)?\?([bBqQ])\?([!->@-~]*)\?=")
Q_TEXT = re.compile(rb"(?:[!-<>@-~]|=[0-9A-Fa-f]{2})*")
BLANK = re.compile(rb"([ \t\r\n]+)")
BLANK_LINE = re.compile(rb"\n[ \t\r]*+(?=\n|\Z)")
"""A continuation line of blanks only: some readers take it for the end of the header."""
UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f]")
SPECIALS = frozenset(b'()<>[]:;@\\,."')
"""The characters that end an atom (RFC 5322, 3.2.3)."""
ANGLE_OPEN, ANGLE_CLOSE, COLON = b"<>:"


def with_words_decoded(field: Field) -> bytes:
    """Return the raw field with its encoded words decoded, and otherwise unchanged."""
    if b"=?" not in field.raw or len(field.raw) > MAX_FIELD:
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
    return field.raw if longest > MAX_LINE or emptied else changed


def decoded_text(body: bytes) -> bytes:
    """Return unstructured text with its encoded words decoded to UTF-8 (RFC 2047, section 5, 1)."""
    tokens: list[Token] = []
    start = 0
    for piece in BLANK.split(body):
        end = start + len(piece)
        tokens.append(Token(start, end, ENCODED.fullmatch(piece) is not None))
        start = end
    return with_runs_decoded(body, tokens, as_phrase=False)


def decoded_names(body: bytes) -> bytes:
    """Return an address list with the encoded words in display names decoded (section 5, 3)."""
    return with_runs_decoded(body, names(body), as_phrase=True)


class Token(NamedTuple):
    """The offsets of a piece of a field body, and whether it is an encoded word to decode."""

    start: int
    end: int
    encoded: bool


def with_runs_decoded(body: bytes, tokens: list[Token], *, as_phrase: bool) -> bytes:
    """Return the body with each run of encoded words decoded, without the blanks between them."""
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
    """Yield each run of encoded words that are separated only by blanks."""
    solid = [token for token in tokens if body[token.start : token.end].strip(b" \t\r\n")]
    for encoded, run in groupby(solid, key=lambda token: token.encoded):
        if encoded:
            yield list(run)


def names(body: bytes) -> list[Token]:
    """Return the tokens of an address list.

    An encoded word is decoded only if it is before the angle bracket of an address or before the
    colon of a group. Anywhere else it could become an address itself.
    """
    tokens: list[Token] = []
    candidates: list[int] = []
    in_angle = False
    position = 0
    while position < len(body):
        byte = body[position]
        end = token_end(body, position)
        if byte in PUNCTUATION:
            if byte in (ANGLE_OPEN, COLON) and not in_angle:
                for index in candidates:
                    tokens[index] = tokens[index]._replace(encoded=True)
            candidates.clear()
            in_angle = byte == ANGLE_OPEN or (in_angle and byte != ANGLE_CLOSE)
        elif ENCODED.fullmatch(body, position, end):
            candidates.append(len(tokens))
        tokens.append(Token(position, end, encoded=False))
        position = end
    return tokens


def token_end(body: bytes, position: int) -> int:
    """Return the end of the token that begins at ``position``.

    An unclosed string extends to the end of the body.
    """
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
    """Return the text of adjacent encoded words as UTF-8, or None if they must stay encoded.

    Octets of adjacent words with the same charset are joined before decoding, because some
    programs split a character between two words.
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
    """Return the charset and the octets of an encoded word.

    Raises UnicodeError for an unknown charset, and binascii.Error for a malformed word.
    """
    found = ENCODED.fullmatch(word)
    if found is None:
        raise Error("not an encoded word")
    charset = found[1].decode("ascii").lower()
    if charset not in CHARSETS:
        raise UnicodeError(charset)
    if found[2] in b"bB":
        return charset, a2b_base64(found[3], strict_mode=True)
    if not Q_TEXT.fullmatch(found[3]):
        raise Error("not valid Q encoding")
    return charset, a2b_qp(found[3], header=True)


def quoted_if_needed(text: bytes) -> bytes:
    """Return text as a display name, quoted if it contains special characters (RFC 5322, 3.2.5)."""
    if text and SPECIALS.isdisjoint(text):
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
