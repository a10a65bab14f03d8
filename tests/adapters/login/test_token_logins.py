"""``auth oauth`` at IMAP, POP3 and SMTP servers: which mechanism, and what a refusal leads to."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest

from mailhaul import imap, pop3
from mailhaul.adapters.login import imap as imap_login
from mailhaul.adapters.login import pop3 as pop3_login
from mailhaul.adapters.login import smtp as smtp_login
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap_watch import WatchedSource
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed, SinkUnavailable
from mailhaul.flows.requests import Close, Tcp, Trust, Wait
from mailhaul.protocols.record import replace
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

PLACE = Tcp("mail.example.org", 143)


class Tokens:
    """Gives these tokens in turn; the next one only as a replacement."""

    def __init__(self, *tokens: str, two_lines: bool = False) -> None:
        self.left = list(tokens)
        self.pop3_in_two_lines = two_lines
        self.notes: list[str] = []

    async def token(self) -> Secret:
        self.notes.append("token")
        return Secret(self.left[0].encode())

    async def replacement(self, refused: Secret) -> Secret | None:
        assert refused.reveal().decode() == self.left[0]
        self.notes.append("replacement")
        if len(self.left) == 1:
            return None
        del self.left[0]
        return Secret(self.left[0].encode())

    async def accepted(self) -> None:
        self.notes.append("accepted")

    async def refused(self, words: str) -> str:
        self.notes.append(f"refused: {words}")
        return "do something"


class Lines:
    """The endpoint of a server that answers lines."""

    def __init__(self) -> None:
        self.received = b""
        self.out: list[bytes] = []
        self.ended = False

    def receive_data(self, data: bytes) -> None:
        self.received += data

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        out, self.out = self.out, []
        return out

    @property
    def unsent(self) -> int:
        return sum(map(len, self.out))


Answer = Callable[[bytes], bytes]


def world(greeting: bytes, answer: Answer, heard: list[bytes]) -> Simulation:
    async def serve(channel: Channel[Lines]) -> None:
        machine = channel.machine
        machine.out.append(greeting)
        while not machine.ended:
            line, end, rest = machine.received.partition(b"\r\n")
            if not end:
                await Wait([channel], 1000.0)
                continue
            machine.received = rest
            heard.append(line)
            if reply := answer(line):
                machine.out.append(reply)
        await Close(channel)

    made = Simulation(round_trip=0.01)
    made.listen(PLACE, Lines, serve)
    return made


def access(tokens: Tokens) -> Access:
    return Access(
        *("mail", PLACE, "joe@x.example", None, TlsMode.WRAPPED, Trust("mail.example.org")),
        auth="oauth",
        tokens=tokens,
    )


def token_in(words: bytes) -> str:
    return b64decode(words).partition(b"auth=Bearer ")[2].rstrip(b"\1").decode()


# IMAP


class ImapServer:
    """Accepts some tokens. ``mechanisms`` are announced."""

    def __init__(self, mechanisms: bytes, *good: str) -> None:
        self.mechanisms = mechanisms
        self.good = good
        self.heard: list[bytes] = []
        self.tokens: list[str] = []
        self._tag = b""

    def answer(self, line: bytes) -> bytes:
        tag, _, command = line.partition(b" ")
        if command.startswith(b"AUTHENTICATE"):
            self._tag = tag
            self.tokens.append(token_in(command.split()[2]))
            if self.tokens[-1] in self.good:
                return tag + b" OK [CAPABILITY IMAP4rev1] in\r\n"
            why = b64encode(
                b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'
            )
            return b"+ " + why + b"\r\n"
        if line in {b"", b"AQ=="}:
            return self._tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)\r\n"
        return tag + b" OK done\r\n"

    def run(self, tokens: Tokens) -> None:
        async def log_in() -> None:
            channel = Channel("mail", imap.Client())
            await imap_login.greet(channel, access(tokens))
            await Close(channel)

        greeting = b"* OK [CAPABILITY IMAP4rev1 SASL-IR %b] ready\r\n" % self.mechanisms
        world(greeting, self.answer, self.heard).run(log_in())


@pytest.mark.parametrize(
    ("announced", "used"),
    [
        (b"AUTH=XOAUTH2 AUTH=PLAIN AUTH=OAUTHBEARER", b"OAUTHBEARER"),
        (b"AUTH=PLAIN AUTH=XOAUTH2", b"XOAUTH2"),
    ],
)
def test_the_server_decides_on_the_mechanism(announced: bytes, used: bytes) -> None:
    server, tokens = ImapServer(announced, "good"), Tokens("good")
    server.run(tokens)
    assert [line.split()[2] for line in server.heard if b"AUTHENTICATE" in line] == [used]
    assert tokens.notes == ["token", "accepted"]


@pytest.mark.parametrize("announced", [b"AUTH=XOAUTH2", b"AUTH=XOAUTH2 AUTH=OAUTHBEARER"])
def test_a_refused_token_is_replaced_on_the_same_connection(announced: bytes) -> None:
    server, tokens = ImapServer(announced, "new"), Tokens("old", "new")
    server.run(tokens)
    assert server.tokens == ["old", "new"]
    assert tokens.notes == ["token", "replacement", "accepted"]


def test_two_refused_tokens_are_enough() -> None:
    server, tokens = ImapServer(b"AUTH=XOAUTH2"), Tokens("old", "new", "never")
    with pytest.raises(PollFailed) as caught:
        server.run(tokens)
    assert server.tokens == ["old", "new"]
    assert caught.value.code is ExitCode.AUTHFAIL
    assert str(caught.value) == (
        "Authorization failure on joe@x.example@mail: Invalid credentials (Failure) "
        "(status 400, scope https://mail.google.com/); do something"
    )
    assert tokens.notes[-1].startswith("refused: Invalid credentials")


def test_without_another_token_there_is_one_try() -> None:
    server, tokens = ImapServer(b"AUTH=XOAUTH2"), Tokens("old")
    with pytest.raises(PollFailed):
        server.run(tokens)
    assert server.tokens == ["old"]


def test_a_server_without_these_mechanisms_gets_no_token() -> None:
    server, tokens = ImapServer(b"AUTH=PLAIN", "good"), Tokens("good")
    with pytest.raises(PollFailed, match='no login method for "auth oauth"'):
        server.run(tokens)
    assert server.tokens == []


def test_the_token_is_got_before_the_connection_is_opened() -> None:
    class Nothing(Tokens):
        async def token(self) -> Secret:
            raise PollFailed(ExitCode.AUTHFAIL, "consent needed")

    server = ImapServer(b"AUTH=XOAUTH2")
    with pytest.raises(PollFailed, match="consent needed"):
        server.run(Nothing())
    assert server.heard == []


@pytest.mark.parametrize(
    ("announced", "hint"),
    [(b"AUTH=XOAUTH2 AUTH=OAUTHBEARER", True), (b"AUTH=XOAUTH2 AUTH=PLAIN", True), (b"", False)],
)
def test_a_refused_password_names_the_way_by_oauth(announced: bytes, hint: bool) -> None:
    def refuse(line: bytes) -> bytes:
        return line.split()[0] + b" NO [AUTHENTICATIONFAILED] Basic authentication is blocked\r\n"

    async def log_in() -> None:
        channel = Channel("mail", imap.Client())
        held = replace(access(Tokens()), password=Secret(b"x"), auth="any", tokens=None)
        await imap_login.greet(channel, held)

    greeting = b"* OK [CAPABILITY IMAP4rev1 SASL-IR %b] ready\r\n" % announced
    with pytest.raises(PollFailed) as caught:
        world(greeting, refuse, []).run(log_in())
    assert ('write "auth oauth"' in str(caught.value)) is hint


# POP3


class Pop3Server:
    def __init__(self, *good: str, refusal: bytes = b"-ERR [AUTH] no") -> None:
        self.good = good
        self.heard: list[bytes] = []
        self.tokens: list[str] = []
        self._refusal = refusal

    def answer(self, line: bytes) -> bytes:
        words = line.split()
        if words[:1] == [b"CAPA"]:
            return b"+OK\r\nSASL PLAIN XOAUTH2\r\nUSER\r\n.\r\n"
        if words == [b"AUTH", b"XOAUTH2"]:
            return b"+ \r\n"
        if words[:1] == [b"QUIT"]:
            return b"+OK\r\n"
        if not words:
            return self._refusal + b"\r\n"
        self.tokens.append(token_in(words[-1]))
        return b"+OK in\r\n" if self.tokens[-1] in self.good else b"+ e30=\r\n"

    def run(self, tokens: Tokens) -> None:
        async def log_in() -> None:
            channel = Channel("mail", pop3.Client())
            await pop3_login.greet(channel, access(tokens))
            await Close(channel)

        world(b"+OK ready\r\n", self.answer, self.heard).run(log_in())


@pytest.mark.parametrize("two_lines", [False, True])
def test_the_token_goes_along_with_auth_or_after_it(two_lines: bool) -> None:
    server, tokens = Pop3Server("good"), Tokens("good", two_lines=two_lines)
    server.run(tokens)
    [auth] = [line for line in server.heard if line.startswith(b"AUTH")]
    assert (auth == b"AUTH XOAUTH2") is two_lines
    assert tokens.notes == ["token", "accepted"]


@pytest.mark.parametrize("two_lines", [False, True])
def test_pop3_replaces_a_refused_token_too(two_lines: bool) -> None:
    server, tokens = Pop3Server("new"), Tokens("old", "new", two_lines=two_lines)
    server.run(tokens)
    assert server.tokens == ["old", "new"]


def test_a_busy_mailbox_says_nothing_about_the_token() -> None:
    server, tokens = Pop3Server(refusal=b"-ERR [IN-USE] busy"), Tokens("old", "new")
    with pytest.raises(PollFailed) as caught:
        server.run(tokens)
    assert caught.value.code is ExitCode.LOCKBUSY
    assert tokens.notes == ["token"]


# SMTP


class SmtpServer:
    def __init__(self, *good: str, refusal: bytes = b"535 5.7.8 no") -> None:
        self.good = good
        self.heard: list[bytes] = []
        self.tokens: list[str] = []
        self.refusal = refusal

    def answer(self, line: bytes) -> bytes:
        words = line.split()
        if words[:1] == [b"EHLO"]:
            return b"250-x\r\n250-STARTTLS\r\n250 AUTH XOAUTH2 PLAIN\r\n"
        if words[:1] == [b"STARTTLS"]:
            return b"220 go\r\n"
        if words[:1] == [b"AUTH"]:
            self.tokens.append(token_in(words[2]))
            return b"235 in\r\n" if self.tokens[-1] in self.good else b"334 e30=\r\n"
        if not words:
            return self.refusal + b"\r\n"
        return b"221 bye\r\n" if words[:1] == [b"QUIT"] else b"250 ok\r\n"

    def run(self, tokens: Tokens) -> None:
        async def credentials(listener: str) -> Credentials:
            return Credentials(b"joe@x.example", token=await tokens.token())

        async def connect() -> None:
            listener = Listener("mail", PLACE, False, "x")
            sink = SmtpSink([listener], "here", 10.0, None, credentials, 0, lambda _: tokens)
            await sink.open()
            await sink.close()

        world(b"220 ready\r\n", self.answer, self.heard).run(connect())


def test_a_listener_takes_a_token_after_tls() -> None:
    server, tokens = SmtpServer("good"), Tokens("good")
    server.run(tokens)
    assert server.heard.index(b"STARTTLS") < next(
        place for place, line in enumerate(server.heard) if line.startswith(b"AUTH XOAUTH2")
    )
    assert tokens.notes == ["token", "accepted"]


def test_a_listener_gets_another_token_if_it_refuses_the_first() -> None:
    server, tokens = SmtpServer("new"), Tokens("old", "new")
    server.run(tokens)
    assert server.tokens == ["old", "new"]


def test_a_listener_that_refuses_both_is_unavailable() -> None:
    server, tokens = SmtpServer(), Tokens("old", "new")
    with pytest.raises(SinkUnavailable, match=r"535 5\.7\.8 no; do something"):
        server.run(tokens)
    assert server.tokens == ["old", "new"]


def test_a_refusal_that_may_pass_says_nothing_about_the_token() -> None:
    server, tokens = SmtpServer(refusal=b"454 4.7.0 later"), Tokens("old", "new")
    with pytest.raises(SinkUnavailable, match=r"454 4\.7\.0"):
        server.run(tokens)
    assert tokens.notes == ["token"]


def test_the_certificate_is_checked_before_a_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    original = smtp_login.start_tls

    async def start_tls(channel: Any, trust: Trust, *rest: Any) -> None:
        seen.append(trust.verify)
        await original(channel, trust, *rest)

    monkeypatch.setattr("mailhaul.adapters.sinks.smtp.start_tls", start_tls)
    SmtpServer("good").run(Tokens("good"))
    assert seen == [True]


# Long sessions


def test_each_connection_of_a_watched_mailbox_gets_its_own_token() -> None:
    """An hour later the first token has expired: IDLE goes on with the next one."""
    server, tokens = ImapServer(b"AUTH=XOAUTH2", "first", "second"), Tokens("first", "second")

    async def watch() -> None:
        source = WatchedSource(access(tokens), lambda event: None)
        await source.open()
        await Close(source.channel)
        del tokens.left[0]
        await source.open()
        await Close(source.channel)

    greeting = b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready\r\n"
    world(greeting, server.answer, server.heard).run(watch())
    assert server.tokens == ["first", "second"]
    assert tokens.notes == ["token", "accepted"] * 2
