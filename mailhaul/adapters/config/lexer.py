"""The lexer of the rc file: tokens with their offsets.

The longest match wins. A bare word may contain nearly any character, so ``"a"b`` is one bare word
including its quotes, and ``p#x`` contains no comment. After ``user``, ``password``, ``is``, ``to``
and ``=`` the next word is a name, even if it is spelled like a keyword. mailhaul's own keywords
(``maildir``) are keywords only where no value is expected, so that fetchmail's files stay valid.

Separators are replaced by blanks once for the whole text. Then one ``find`` returns the end of a
word, and offsets do not change.
"""

from __future__ import annotations

from typing import Final

from ...protocols.secret import Secret
from .options import (
    AUTHS,
    ENTRY_KEYWORDS,
    ENVELOPE,
    GLOBAL_KEYWORDS,
    LIST,
    NAMED,
    OCTETS,
    OWN_AUTHS,
    OWN_KEYWORDS,
    PATH,
    POLICIES,
    PROTOCOLS,
    SECONDS,
    SERVICE,
    TEXT,
)
from .secret_table import SECRET_WORDS

STRING: Final = "string"
KEYWORD: Final = "keyword"
NUMBER: Final = "number"
EQUALS: Final = "equals"
HIDDEN: Final = "hidden"
END: Final = "end"

Token = tuple[str, str, int]
"""Kind, text and offset. The text of a HIDDEN token is empty; ``Tokens.secrets`` has the value."""

STATEMENTS: Final = frozenset({"poll", "server", "skip", "defaults", "set"})
"""Words that begin a statement."""

_NAME: Final = 1
_PASSWORD: Final = 2
_AUTH: Final = 3
_SECRET: Final = 4
_VALUE: Final = 5
_COUNTED_VALUE: Final = 6
_CHOICE: Final = 7

_VALUE_MODES: Final = {
    **dict.fromkeys((TEXT, PATH, LIST, SERVICE, OCTETS, SECONDS, NAMED), _VALUE),
    ENVELOPE: _COUNTED_VALUE,
}
"""Kinds of options that take a word; for an ENVELOPE a number may precede it."""
_AFTER_NUMBER: Final = {_COUNTED_VALUE: _VALUE}


def _mode_of(word: str) -> int:
    spelling = ENTRY_KEYWORDS.get(word) or GLOBAL_KEYWORDS.get(word)
    return _VALUE_MODES.get(spelling.option.kind, 0) if spelling and spelling.value else 0


_KEYWORDS: Final[dict[str, int]] = {
    **dict.fromkeys(["defaults", "set", "no", "here", "there"], 0),
    **dict.fromkeys(["poll", "server", "skip"], _VALUE),
    **{word: _mode_of(word) for word in (*GLOBAL_KEYWORDS, *ENTRY_KEYWORDS)},
    **dict.fromkeys([*PROTOCOLS, *(name.upper() for name in PROTOCOLS)], 0),
    **dict.fromkeys([*AUTHS, *POLICIES], 0),
    **dict.fromkeys(["user", "username", "is", "to"], _NAME),
    **dict.fromkeys(SECRET_WORDS, _PASSWORD),
    # Unlike after "password", a word that looks like a keyword or a number is one here.
    "esmtppassword": _SECRET,
    # A URL may contain a password.
    "store": _SECRET,
    **dict.fromkeys(["auth", "authenticate", "preauth", "preauthenticate"], _AUTH),
    # Some of their values are keywords: "oauthgrant service", "esmtpauth password".
    **dict.fromkeys(["oauthgrant", "oauthissuer", "esmtpauth", "appendauth"], _CHOICE),
}
"""Each keyword and how the word after it is read."""

_NOISE: Final = frozenset({"and", "with", "has", "wants", "options"})
_BLANKS: Final = str.maketrans(dict.fromkeys("=;:,\t\r\n", " "))
_QUOTES: Final = "\"'"
_LETTERS: Final = {0x6E: b"\n", 0x74: b"\t", 0x62: b"\b", 0x72: b"\r"}
_OCTAL: Final = b"01234567"
_DECIMAL: Final = b"0123456789"
_HEX: Final = b"0123456789abcdefABCDEF"


class Tokens:
    """The tokens of a file, with END as the last one, and their passwords by offset.

    ``unclosed`` is the offset of a word with an opening quote that is never closed, or -1.
    """

    __slots__ = ("list", "secrets", "unclosed")

    def __init__(self) -> None:
        self.list: list[Token] = []
        self.secrets: dict[int, Secret] = {}
        self.unclosed = -1


def tokenize(text: str) -> Tokens:
    """Split the text of an rc file, decoded with surrogateescape, into tokens."""
    tokens = Tokens()
    append = tokens.list.append
    size = len(text)
    # The two characters after the end stop both searches below.
    flat = text.translate(_BLANKS) + " \n"
    at = 0
    mode = 0
    while True:
        while flat[at] == " ":
            if at < size and text[at] == "=":
                append((EQUALS, "=", at))
                mode = _PASSWORD if mode in (_PASSWORD, _SECRET) else _NAME
            at += 1
        if at >= size:
            append((END, "", size))
            return tokens
        start = at
        first = text[at]
        at = flat.find(" ", start)
        if first in _QUOTES:
            # Quotes may enclose blanks, which end a bare word: the longer match wins.
            close = text.find(first, start + 1)
            if close + 1 >= at:
                at = close + 1
                append(_string(tokens, text[start + 1 : close], start, mode))
                mode = 0
                continue
            if close < 0:
                tokens.unclosed = start
        elif first == "#":
            end = text.find("\n", start)
            # Without a newline it is not a comment, but it may be a password.
            if end >= 0 or mode in (0, _SECRET):
                at = end if end >= 0 else size
                continue
        elif first == "\\" and text.startswith("\\\n", start):
            continue
        word = text[start:at]
        if mode in (_NAME, _PASSWORD, _CHOICE):
            append(_string(tokens, word, start, mode))
            mode = 0
        elif word in _KEYWORDS and not _is_plain(word, mode):
            # "auth password" names a method, and no password follows; "no envelope" has no value.
            negated = bool(tokens.list) and tokens.list[-1][:2] == (KEYWORD, "no")
            append((KEYWORD, word, start))
            mode = 0 if negated or (mode == _AUTH and word == "password") else _KEYWORDS[word]
        elif word not in _NOISE:
            if _is_number(word):
                append((NUMBER, "" if mode == _SECRET else word, start))
                mode = _AFTER_NUMBER.get(mode, 0)
            else:
                append(_string(tokens, word, start, mode))
                mode = 0


def _is_plain(word: str, mode: int) -> bool:
    """Whether one of mailhaul's own keywords is an ordinary word here."""
    if word in OWN_AUTHS:
        return mode != _AUTH
    return word in OWN_KEYWORDS and mode in (_VALUE, _COUNTED_VALUE, _SECRET)


def _is_number(word: str) -> bool:
    digits = word[1:] if word[0] == "-" else word
    return digits.isdecimal() and digits.isascii()


def _string(tokens: Tokens, text: str, start: int, mode: int) -> Token:
    """Return the token of a value, and hide the value if it is a password."""
    value = text if "\\" not in text else unescape(text)
    if mode not in (_PASSWORD, _SECRET):
        return (STRING, value, start)
    tokens.secrets[start] = Secret(value.encode("utf-8", "surrogateescape"))
    return (HIDDEN, "", start)


def unescape(text: str) -> str:
    """Replace the escapes in a value. A code of 0 ends it, and a backslash at its end is dropped.

    ``\\0`` begins an octal number and ``\\1`` to ``\\9`` a decimal one, as in fetchmail.
    """
    data = text.encode("utf-8", "surrogateescape")
    result = bytearray()
    at = 0
    while (slash := data.find(b"\\", at)) >= 0 and slash + 1 < len(data):
        result += data[at:slash]
        code = data[slash + 1]
        at = slash + 2
        if code in b"xX":
            value, at = _digits(data, at, at + 2, _HEX, 16)
        elif code in _DECIMAL:
            octal = code == 0x30
            value, at = _digits(
                data, at - 1, at + 2, _OCTAL if octal else _DECIMAL, 8 if octal else 10
            )
        else:
            result += b"" if code == 0x0A else _LETTERS.get(code, data[at - 1 : at])
            continue
        if not value:
            return result.decode("utf-8", "surrogateescape")
        result.append(value)
    result += data[at : slash if slash >= 0 else len(data)]
    return result.decode("utf-8", "surrogateescape")


def _digits(data: bytes, start: int, limit: int, digits: bytes, base: int) -> tuple[int, int]:
    """Read a number of at most ``limit - start`` digits; return its low byte and its end offset."""
    end = start
    while end < min(limit, len(data)) and data[end] in digits:
        end += 1
    return (int(data[start:end], base) & 0xFF if end > start else 0), end
