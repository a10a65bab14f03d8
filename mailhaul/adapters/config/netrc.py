"""Passwords from the .netrc file, for accounts that have no password in the rc file.

The standard library's parser interprets escapes and reports errors where fetchmail does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...protocols.secret import Secret
from .settings import AccountSettings

NO_PASSWORD: Final = frozenset({"otp", "kerberos4", "kerberos5", "gssapi", "ssh", "external"})
_LOGIN: Final = frozenset({b"login", b"user"})
_PASSWORD: Final = frozenset({b"password", b"passwd"})


def needs_password(account: AccountSettings) -> bool:
    """Whether this account needs a password to log in and has none."""
    if account.password is not None or not account.kind.needs_password:
        return False
    if account.keeps_password_elsewhere:
        return False
    return account.auth not in NO_PASSWORD


def password_from_netrc(account: AccountSettings, data: bytes) -> Secret | None:
    """Look up the account's password: under its poll name, then under its ``via`` name.

    The entry must name the account's login. As in fetchmail, ``default`` entries are ignored, so
    that no password is sent to a server that it was not meant for.
    """
    return find_password(data, account.remote_user, account.pollname, account.via)


def find_password(data: bytes, user: str, *hosts: str | None) -> Secret | None:
    """Return the user's password for the first of these hosts that has one in the file."""
    login = _bytes(user)
    entries = [entry for entry in _entries(data) if entry[1] == login]
    for host in hosts:
        for machine, _, password in entries:
            if host is not None and machine == _bytes(host) and password is not None:
                return password
    return None


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
