"""The words of ``fdm.conf``: strings, numbers, names and signs, with macros replaced.

Strings in double quotes have escapes and macros (``${name}``); those in single quotes have neither.
The result of a shell command, ``$(...)``, is not known here: such a token is OPAQUE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ...protocols.record import Record
from .new_rcfile import Translation

STRING, NUMBER, WORD, SIGN, MACRO, OPAQUE = "string", "number", "word", "sign", "macro", "opaque"

NAME: Final = re.compile(r"[$%](?:\{([\w-]+)\}|(\w[\w-]*))")
PLAIN: Final = re.compile(r"[\w-]+")
ESCAPES: Final = {"r": "\r", "n": "\n", "t": "\t"}
STARTS: Final = frozenset(
    {"set", "account", "action", "match", "cache", "include", "ifdef", "ifndef", "endif"}
)
"""Words that begin a statement, if they are the first of a line."""


class Token(Record):
    """One token. ``first`` is true for the first one of a line, ``text`` is without quotes."""

    kind: str
    text: str
    line: int
    first: bool


class Scanner:
    """Splits a file into tokens."""

    def __init__(self, text: str, made: Translation) -> None:
        self._text = text
        self._made = made
        self._at = 0
        self._line = 1
        self._first = True
        self.macros: dict[str, str] = {}

    def tokens(self) -> Iterator[Token]:
        """Yield all tokens. Raises Untranslatable."""
        text = self._text
        while self._at < len(text):
            character = text[self._at]
            if character == "\n":
                self._line += 1
                self._first = True
                self._at += 1
            elif character in " \t\r":
                self._at += 1
            elif character == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            else:
                line, first = self._line, self._first
                kind, found = self._token(character)
                self._first = False
                yield Token(kind, found, line, first)

    def _token(self, character: str) -> tuple[str, str]:
        text, start = self._text, self._at
        if character in "\"'":
            return STRING, self._string(character)
        if character in "$%":
            if text.startswith("(", start + 1):
                return OPAQUE, self._command()
            if name := NAME.match(text, start):
                self._at = name.end()
                return MACRO, character + (name[1] or name[2])
        if word := PLAIN.match(text, start):
            self._at = word.end()
            return (NUMBER if word[0].isdecimal() else WORD), word[0]
        self._at += 1
        return SIGN, character

    def _string(self, quote: str) -> str:
        """Return the string that begins here."""
        text, begun = self._text, self._line
        result: list[str] = []
        at = self._at + 1
        while at < len(text) and text[at] != quote:
            character = text[at]
            self._line += character == "\n"
            if quote == '"' and character == "\\" and at + 1 < len(text):
                at += 1
                character = ESCAPES.get(text[at], text[at])
            elif quote == '"' and character in "$%" and text.startswith("{", at + 1):
                name = NAME.match(text, at)
                if name and name[1]:
                    result.append(self.macros.get(character + name[1], ""))
                    at = name.end()
                    continue
            result.append(character)
            at += 1
        if at >= len(text):
            raise self._made.fail(begun, "this quote is never closed")
        self._at = at + 1
        return "".join(result)

    def _command(self) -> str:
        """Return the shell command that begins here."""
        text, start = self._text, self._at + 2
        depth, at = 1, start
        while at < len(text) and depth:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            self._line += text[at] == "\n"
            at += 1
        if depth:
            raise self._made.fail(self._line, "this parenthesis is never closed")
        self._at = at
        return text[start : at - 1]


class Statement(Record):
    """The tokens of one statement, with macros replaced. ``line`` is its first line."""

    word: str
    tokens: tuple[Token, ...]
    line: int


def statements(text: str, made: Translation) -> list[Statement]:
    """Return the statements of a file. Raises Untranslatable.

    A statement begins with one of STARTS at the beginning of a line, outside braces. A rule may go
    on in the next line, with the word ``action`` or ``account``: it ends after its action.
    """
    scanner = Scanner(text, made)
    found: list[list[Token]] = []
    depth = 0
    waiting: Token | None = None
    for token in scanner.tokens():
        if waiting is not None:
            # The value of a macro: it counts for all that follows.
            if token.kind != SIGN or token.text != "=":
                scanner.macros[waiting.text] = token.text if token.kind != OPAQUE else ""
                if token.kind == OPAQUE:
                    made.note(token.line, "the result of a command is not translated")
                waiting = None
            continue
        if token.kind == MACRO and token.first and not depth:
            waiting = token
            continue
        depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == SIGN else 0
        if begins(token, found, depth):
            found.append([])
        if found:
            found[-1].append(resolved(token, scanner.macros))
        else:
            made.note(token.line, "this is not translated")
    return [Statement(tokens[0].text, tuple(tokens[1:]), tokens[0].line) for tokens in found]


def begins(token: Token, found: list[list[Token]], depth: int) -> bool:
    """Whether a token begins a statement."""
    if depth or not token.first or token.kind != WORD or token.text not in STARTS:
        return False
    if not found or found[-1][0].text != "match" or token.text not in {"action", "account"}:
        return True
    return any(one.kind == WORD and one.text in {"action", "actions"} for one in found[-1])


def resolved(token: Token, macros: Mapping[str, str]) -> Token:
    """Return a token with a macro replaced by its value."""
    if token.kind != MACRO:
        return token
    kind = STRING if token.text[0] == "$" else NUMBER
    return Token(kind, macros.get(token.text, ""), token.line, token.first)
