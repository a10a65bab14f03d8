"""Machines, services and policies with one fault, for the mutants of SMTP and LMTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mailhaul.protocols.dots import DotReader
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.smtp import server_states as states
from mailhaul.protocols.smtp.commands import Bdat, BodyChunk, Data, Ehlo, Heard, Rcpt, StartTls
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.protocols.smtp.server_states import Dialogue
from mailhaul.servers.smtp import HangUp, Policy, SmtpService

# Policies


def on(
    kind: type[Any],
    code: int,
    text: bytes = b"",
    *,
    after: int = 0,
    where: Callable[[Any], bool] = lambda heard: True,
) -> Callable[[], Policy]:
    """Return a policy that gives this reply to commands of a kind, after the first ones."""

    def begin() -> Policy:
        seen = 0

        def policy(heard: Heard) -> Reply | None:
            nonlocal seen
            if not isinstance(heard, kind) or not where(heard):
                return None
            seen += 1
            return Reply(code, (text,)) if seen > after else None

        return policy

    return begin


def closing_at_the_third_login() -> Policy:
    seen = 0

    def policy(heard: Heard) -> HangUp | None:
        nonlocal seen
        seen += isinstance(heard, Authenticate)
        return HangUp() if seen == 3 else None

    return policy


def suspicious_of_names() -> Policy:
    name = b""

    def policy(heard: Heard) -> Reply | None:
        nonlocal name
        if isinstance(heard, Ehlo):
            name = heard.name
        if isinstance(heard, Rcpt) and name.endswith(b".invalid"):
            return Reply(550, (b"5.7.1 who are you?",))
        return None

    return policy


# Texts


def ends_at(sequence: bytes, end: bytes = b"\r\n.\r\n") -> type[SmtpServer]:
    """Return a server that takes an octet sequence for the end of a text."""

    class EndsEarly(SmtpServer):
        def _take_text(self, text: DotReader, data: bytes) -> None:
            super()._take_text(text, data.replace(sequence, end))

    return EndsEarly


class DropsNul(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        super()._take_text(text, data.replace(b"\0", b""))


class UnstuffsAfterLineFeeds(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        super()._take_text(text, re.sub(rb"(?<!\r)\n\.", b"\n", data))


class MissesSplitEnds(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        super()._take_text(text, data.replace(b".", b":") if len(data) == 1 else data)


class ForgetsWhatFollowsTheText(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        super()._take_text(text, data)
        if text.over:
            self._input.clear()


class BelievesTheSize(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        size = self._mail.size if self._mail else None
        if size and len(data) > size:
            data = data[:size] + b"\r\n.\r\n" + data[size:]
        super()._take_text(text, data)


class StopsAtTheLimit(SmtpServer):
    def _take_text(self, text: DotReader, data: bytes) -> None:
        if len(data) > 100_000:
            data = data[:100_000] + b"\r\n.\r\n" + data[100_000:]
        super()._take_text(text, data)


class MergesTexts(SmtpService):
    """What was received before a RSET, or in the message before, stays."""

    _begun = False

    def _begin_text(self) -> None:
        if not self._begun:
            super()._begin_text()
            self._begun = True


class KeepsPartialTexts(SmtpService):
    async def run(self) -> None:
        await super().run()
        if self._chunks:
            self._store(self._recipients)


class AllOrNobody(SmtpService):
    """An LMTP service that stores a message only if nobody's delivery fails."""

    def _store(self, recipients: list[bytes]) -> None:
        if recipients == self._recipients:
            super()._store(recipients)


# Lines


def breaks_lines_at(sequence: bytes) -> type[SmtpServer]:
    """Return a server for which these octets too are the end of a command."""

    class BreaksLines(SmtpServer):
        def _take(self, data: bytes) -> None:
            super()._take(data.replace(sequence + b"NOOP", b"\r\nNOOP"))

    return BreaksLines


class LosesLongGroups(SmtpServer):
    def _take(self, data: bytes) -> None:
        super()._take(data[:1000])


class TakesSegmentsForLines(SmtpServer):
    def _take(self, data: bytes) -> None:
        super()._take(data if data.endswith(b"\r\n") else data + b"\r\n")


class WaitsForData(SmtpServer):
    """A server that holds back the replies to MAIL and RCPT."""

    def _hand_over(self) -> list[bytes]:
        return [] if self._at(states.sender, states.recipients) else super()._hand_over()


# Order


class TakesDataWithoutRecipients(SmtpServer):
    def _is_in_order(self, command: Heard) -> bool:
        if isinstance(command, Data) and self._at(states.sender):
            self._advance(Dialogue.rcpt_taken)
        return super()._is_in_order(command)


class TakesRecipientsWithoutMail(SmtpServer):
    def _is_in_order(self, command: Heard) -> bool:
        if isinstance(command, Rcpt) and self._at(states.ready):
            self._advance(Dialogue.mail_taken)
        return super()._is_in_order(command)


class TakesAuthInTransactions(SmtpServer):
    def _is_in_order(self, command: Heard) -> bool:
        if isinstance(command, Authenticate) and self._at(states.sender):
            return True
        return super()._is_in_order(command)


class ForgetsWhatFollowsAChunk(SmtpServer):
    def _read_chunk(self, chunk: Any) -> BodyChunk | Bdat | None:
        heard = super()._read_chunk(chunk)
        if isinstance(heard, Bdat):
            self._input.clear()
        return heard


class RefusesChunksForNobody(SmtpServer):
    def _read_chunk(self, chunk: Any) -> BodyChunk | Bdat | None:
        before = self._chunk
        heard = super()._read_chunk(chunk)
        if before and self._chunk is None and not chunk.wanted:
            self._refuse(503, b"BDAT is out of order")
        return heard


# TLS


class KeepsEhlo(SmtpServer):
    def _start_tls(self) -> None:
        super()._start_tls()
        self._advance(Dialogue.introduction_heard)
        self._advance(Dialogue.introduced)


class OffersTlsAgain(SmtpServer):
    def _start_tls(self) -> None:
        super()._start_tls()
        self.extensions[b"STARTTLS"] = b""


class KeepsLogin(SmtpServer):
    def _start_tls(self) -> None:
        before = self._authenticated
        super()._start_tls()
        self._authenticated = before


class ObeysWhatCameInTheClear(SmtpServer):
    _early = b""

    def _update_state(self, command: Heard, reply: Reply) -> None:
        if isinstance(command, StartTls):
            self._early = self._input.take(len(self._input))
        super()._update_state(command, reply)

    def _start_tls(self) -> None:
        super()._start_tls()
        self._input.append(self._early)
