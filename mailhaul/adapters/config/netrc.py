"""Passwords from the .netrc file, for accounts that have no password in the rc file.

The standard library's parser interprets escapes and reports errors where fetchmail does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ...protocols.secret import Secret

_LOGIN: Final = frozenset({b"login", b"user"})
_PASSWORD: Final = frozenset({b"password", b"passwd"})


class Netrc:
    """The passwords of a .netrc file, by machine and login.

    As in fetchmail, ``default`` entries are ignored, so that no password is sent to a server that
    it was not meant for.
    """

    def __init__(self, data: bytes) -> None:
        self._passwords: dict[tuple[bytes, bytes | None], Secret] = {}
        for machine, login, password in _entries(data):
            if password is not None:
                self._passwords.setdefault((machine, login), password)

    def password(self, user: str, hosts: Iterable[str | None]) -> Secret | None:
        """Return the user's password for the first of these hosts that has one in the file."""
        login = _bytes(user)
        found = (self._passwords.get((_bytes(host), login)) for host in hosts if host is not None)
        return next((password for password in found if password is not None), None)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes | None, Secret | None]]:
    """Yield machine, login and password of each ``machine`` entry."""
    machine: bytes | None = None
    login: bytes | None = None
    password: Secret | None = None
    words = _words(data)
    for word in words:
        if word in (b"machine", b"default"):
            if machine is not None:
                yield machine, login, password
            machine = next(words, None) if word == b"machine" else None
            login = password = None
        elif word in _LOGIN:
            login = next(words, None)
        elif word in _PASSWORD:
            value = next(words, None)
            password = None if value is None else Secret(value)
        elif word == b"account":
            next(words, None)
    if machine is not None:
        yield machine, login, password


def _words(data: bytes) -> Iterator[bytes]:
    """Yield the words of the file, without comments, macros and quotes.

    Quotes may begin and end anywhere in a word. There are no escapes; a line end closes a quote.
    """
    in_macro = False
    for line in data.splitlines():
        if in_macro:
            in_macro = bool(line.strip())
            continue
        for word in _line_words(line):
            if word == b"macdef":
                in_macro = True
                break
            yield word


def _line_words(line: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(line):
        if line[at : at + 1].isspace():
            at += 1
            continue
        if line[at : at + 1] == b"#":
            return
        word = bytearray()
        while at < len(line) and not line[at : at + 1].isspace():
            char = line[at : at + 1]
            if char in (b'"', b"'"):
                end = line.find(char, at + 1)
                end = len(line) if end < 0 else end
                word += line[at + 1 : end]
                at = end + 1
            else:
                word += char
                at += 1
        yield bytes(word)
