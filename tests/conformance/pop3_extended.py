"""POP3 services with extensions that our own server does not have, for cases about those."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from mailhaul.flows.requests import Sleep
from mailhaul.protocols.pop3.commands import (
    Apop,
    Command,
    Lang,
    Pass,
    Retrieve,
    StartTls,
    Top,
    Utf8,
)
from mailhaul.protocols.pop3.events import Line, ResponseCode
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.servers.pop3 import Hangup, Maildrop, Pop3Service, Refusal

Pairs = tuple[tuple[bytes, bytes], ...]


class Announcing(Pop3Service):
    """Announces more capabilities; ``after`` are those after the login, if they are others."""

    def __init__(
        self, *arguments: Any, before: Pairs = (), after: Pairs | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self._before = before
        self._after = before if after is None else after

    def _announced(self) -> Pairs:
        return (*super()._announced(), *(self._after if self._open else self._before))


class Delaying(Announcing):
    """Refuses the second login to a maildrop (RFC 2449, section 6.5)."""

    used: WeakSet[Maildrop] = WeakSet()

    async def _log_in(self, command: Pass | Apop | Authenticate) -> bytes:
        if self._maildrop in self.used:
            raise Refusal(b"not so soon", ResponseCode.LOGIN_DELAY)
        text = await super()._log_in(command)
        self.used.add(self._maildrop)
        return text


class Utf8Service(Announcing):
    """Has the command UTF8, and sends international messages only after it (RFC 6856)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, before=((b"UTF8", b"USER"),), **options)
        self._utf8 = False

    async def _do(self, command: Command) -> bytes:
        if isinstance(command, Utf8):
            self._utf8 = True
            return b"UTF-8 from here on"
        if isinstance(command, StartTls) and self._utf8:
            raise Refusal(b"not after UTF8")
        return await super()._do(command)

    async def _send_text(self, command: Retrieve | Top, number: int) -> None:
        if not self._utf8 and not self._find(number).text.isascii():
            raise Refusal(b"this message needs UTF8", ResponseCode.UTF8)
        await super()._send_text(command, number)


class LanguageService(Announcing):
    """Has the command LANG with two languages (RFC 6856, section 3)."""

    LANGUAGES = {b"en": "English", b"de": "Deutsch für alle"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, before=((b"LANG", b""),), **options)

    async def _do(self, command: Command) -> bytes:
        match command:
            case Lang(None):
                for tag, name in self.LANGUAGES.items():
                    self._machine.send(Line(tag + b" " + name.encode()))
                return b""
            case Lang(bytes() as wanted):
                tag = b"en" if wanted == b"*" else wanted.lower()
                if tag not in self.LANGUAGES:
                    raise Refusal(b"no such language")
                return tag + b" as you wish"
            case _:
                return await super()._do(command)


class ClosesAfterRefusal(Pop3Service):
    """Closes the connection after a wrong password, as RFC 1939, section 4 allows."""

    async def _answer(self, command: Command) -> None:
        await super()._answer(command)
        if isinstance(command, Pass) and not self._open:
            raise Hangup


class RefusesSlowly(Pop3Service):
    """Takes 10 seconds to refuse a login, as a measure against guessing."""

    async def _log_in(self, command: Pass | Apop | Authenticate) -> bytes:
        try:
            return await super()._log_in(command)
        except Refusal:
            await Sleep(10)
            raise
