"""Error messages for unexpected tokens in the rc file.

A message never contains anything that may be part of a password: not the word after a password, not
a word that is joined to a quoted value, and not a word with unbalanced quotes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from .errors import ConfigError, Source, did_you_mean, quoted
from .lexer import END, EQUALS, HIDDEN, KEYWORD, NUMBER, STATEMENTS, STRING, Tokens
from .options import ENTRY_KEYWORDS, GLOBAL_KEYWORDS
from .secret_table import SECRET_WORDS

_REPLACEMENTS: Final = {
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
"""Hints for keywords of other versions of fetchmail."""

GLOBAL_OPTION: Final = "a global option"
ENTRY_OPTIONS: Final = ("a server or user option", "a user option")
"""What is expected in place of an option: before the user options, and after the first of them."""

_QUOTES: Final = ("'", '"')
_HIDDEN_WORD: Final = "a word that is not shown here"


class TokenErrors:
    """Makes the errors for unexpected tokens of one file, while its text is available."""

    def __init__(self, text: str, tokens: Tokens, source: Source) -> None:
        self._text = text
        self._tokens = tokens
        self._source = source

    def error_at(self, at: int, expected: str, words: Collection[str]) -> ConfigError:
        """Return the error for the token with index ``at``.

        ``words`` are the keywords that are allowed there, none if a value is expected.
        """
        kind, text, offset = self._tokens.list[at]
        hint = self._quote_hint(at)
        # In "auth password secret", "password" is a login method, but the next word is a secret.
        follows = at > 0 and self._tokens.list[at - 1][1] in SECRET_WORDS
        # An extra quote can turn an option and its password into one value.
        swallowed = "\n" in text or (" " in text and _names_secret(text))
        hidden = (bool(hint) or follows or swallowed) and kind in (STRING, NUMBER, HIDDEN)
        if kind == END:
            found = "the end of the file"
        elif hidden or kind == HIDDEN:
            found = _HIDDEN_WORD
        else:
            found = quoted(text or self._text[offset : offset + 1].strip("'\""))
        return ConfigError(
            self._source.place(offset),
            found=found,
            expected=expected,
            hint=hint or self._other_hint(at, expected, words),
        )

    def _quote_hint(self, at: int) -> str:
        """Return a hint if the quotes near this token look wrong; a hint also hides the token."""
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
            if self._text[offset - 1] in _QUOTES or _names_secret(before[1]):
                return "a quote inside a value ends it; use the other kind of quote around it"
        # A bare word that contains a quote is probably a mistake.
        bare = text[:1] == self._text[offset] or self._text[offset] not in _QUOTES
        if kind == STRING and bare and any(quote in text for quote in _QUOTES):
            return "quotes must enclose a whole value"
        return ""

    def _other_hint(self, at: int, expected: str, words: Collection[str]) -> str:
        """Return a hint for a token with correct quotes."""
        kind, text, offset = self._tokens.list[at]
        if kind in (END, HIDDEN):
            return ""
        if text.startswith("//"):
            return "a URL needs quotes around it"
        if kind == EQUALS:
            return '"=" belongs between two user names, or after the option of a "set"'
        if self._text[offset] == "\\" and self._text[offset + 1 : offset + 2].isspace():
            return "a backslash joins lines only directly before the newline (LF, not CRLF)"
        if expected == "a number":
            after_equals = at and self._tokens.list[at - 1][0] == EQUALS
            return 'remove the "=" before the number' if after_equals else ""
        if expected == GLOBAL_OPTION and text in ENTRY_KEYWORDS:
            return "it is an option of a poll entry"
        if expected in ENTRY_OPTIONS and text in GLOBAL_KEYWORDS:
            return f'write "set {text}" before the first entry'
        if text in _REPLACEMENTS:
            return _REPLACEMENTS[text]
        if words:
            return did_you_mean(text.lower(), words) if kind == STRING else ""
        if kind == KEYWORD and text not in STATEMENTS:
            return "a value that is spelled like a keyword needs quotes"
        return "a value that consists of digits needs quotes" if kind == NUMBER else ""


def _names_secret(text: str) -> bool:
    """Whether a text contains an option for a secret, so that the secret may be part of it."""
    return any(word in text for word in SECRET_WORDS)
