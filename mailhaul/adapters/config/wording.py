"""The words for a token that does not belong where it stands.

Nothing that may be part of a password is repeated: not the word behind a password, not a
word that sticks to a quoted value, not one whose quotes do not pair up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .errors import ConfigError, Source, did_you_mean, quoted
from .lexer import END, EQUALS, HIDDEN, KEYWORD, NUMBER, STATEMENTS, STRING, Tokens
from .options import ENTRY_KEYWORDS, GLOBAL_KEYWORDS

_HISTORIC: Final = {
    "nossl": 'write "no ssl"',
    "nosslcertck": 'write "no sslcertck"',
    "nosoftbounce": 'write "no softbounce"',
    "notracepolls": 'write "no tracepolls"',
    "nosyslog": 'write "no syslog"',
    "noinvisible": 'write "no invisible"',
    "imap4": 'write "imap"',
    "imap4rev1": 'write "imap"',
    "imap-k4": 'write "imap"',
    "imap-gss": 'write "imap" and "auth gssapi"',
    "imap2bis": 'write "imap"',
    "imaps": 'write "protocol imap" and the user option "ssl"',
    "pop3s": 'write "protocol pop3" and the user option "ssl"',
    "plain": 'write "auth password"',
    "login": 'write "auth password"',
    "include": "other files cannot be included",
    "implicit": "a word of fetchmail 7 that is not supported",
}
"""What to write instead of words that other versions know."""

GLOBAL_OPTION: Final = "a global option"
ENTRY_OPTIONS: Final = ("a server or user option", "a user option")
"""What is expected, in words, where an option can stand: outside a user, and inside."""

_PASSWORDS: Final = ("pass", "password", "esmtppassword", "appendpassword")
_QUOTES: Final = ("'", '"')
_UNSEEN: Final = "a word that is not shown here"


class Complainer:
    """Words complaints about the tokens of one file, while its text is at hand."""

    def __init__(self, text: str, tokens: Tokens, source: Source) -> None:
        self._text = text
        self._tokens = tokens
        self._source = source

    def complain(self, at: int, expected: str, words: Collection[str]) -> ConfigError:
        """Return the error for the token with index ``at``.

        ``words`` are the keywords that could stand there, none if a value is expected.
        """
        kind, text, offset = self._tokens.list[at]
        hint = self._quoting(at)
        # "auth password secret" reads as a way to log in, and means a password all the same.
        follows = at > 0 and self._tokens.list[at - 1][1] in _PASSWORDS
        # A quote too many can make a value of what was meant as an option and its password.
        swallowed = "\n" in text or (" " in text and "pass" in text)
        hidden = (bool(hint) or follows or swallowed) and kind in (STRING, NUMBER, HIDDEN)
        if kind == END:
            found = "the end of the file"
        elif hidden or kind == HIDDEN:
            found = _UNSEEN
        else:
            found = quoted(text or self._text[offset : offset + 1].strip("'\""))
        return ConfigError(
            self._source.place(offset),
            found=found,
            expected=expected,
            hint=hint or self._advice(at, expected, words),
        )

    def _quoting(self, at: int) -> str:
        """Return a hint if the quotes around here look wrong, which also hides the token."""
        kind, text, offset = self._tokens.list[at]
        if kind == END:
            return ""
        before = self._tokens.list[at - 1] if at else (END, "", 0)
        if before[0] == HIDDEN and kind in (STRING, NUMBER, EQUALS):
            return "a password with blanks, quotes or any of , : ; = needs quotes"
        if 0 <= self._tokens.unclosed <= offset:
            return f"the quote at {self._source.place(self._tokens.unclosed)} is never closed"
        if before[0] == STRING and self._text[before[2]] in _QUOTES:
            if "\n" in before[1]:
                start = self._source.place(before[2])
                return f"the value from {start} on spans several lines; is a quote missing?"
            if self._text[offset - 1] in _QUOTES or "pass" in before[1]:
                return "a quote inside a value ends it; use the other kind of quote around it"
        # A bare word that holds a quote was meant to be something else.
        bare = text[:1] == self._text[offset] or self._text[offset] not in _QUOTES
        if kind == STRING and bare and any(quote in text for quote in _QUOTES):
            return "quotes belong around a whole value"
        return ""

    def _advice(self, at: int, expected: str, words: Collection[str]) -> str:
        """Return a hint for a token whose quotes are in order."""
        kind, text, offset = self._tokens.list[at]
        if kind in (END, HIDDEN):
            return ""
        if text.startswith("//"):
            return "a URL needs quotes around it"
        if kind == EQUALS:
            return '"=" belongs between two user names, or behind the option of a "set"'
        if self._text[offset] == "\\" and self._text[offset + 1 : offset + 2].isspace():
            return "a backslash joins lines only right before the newline (LF, not CRLF)"
        if expected == "a number":
            after_equals = at and self._tokens.list[at - 1][0] == EQUALS
            return 'a number takes no "=" before it' if after_equals else ""
        if expected == GLOBAL_OPTION and text in ENTRY_KEYWORDS:
            return "it is an option of a poll entry"
        if expected in ENTRY_OPTIONS and text in GLOBAL_KEYWORDS:
            return f'write "set {text}" before the first entry'
        if text in _HISTORIC:
            return _HISTORIC[text]
        if words:
            return did_you_mean(text.lower(), words) if kind == STRING else ""
        if kind == KEYWORD and text not in STATEMENTS:
            return "a value that is spelled like a keyword needs quotes"
        return "a value of digits only needs quotes" if kind == NUMBER else ""
