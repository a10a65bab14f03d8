"""The login at the listener: the best mechanism is used; without a login no mail is sent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import partial

import pytest

from mailhaul.adapters.login.smtp import is_local
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import SinkUnavailable
from mailhaul.flows.requests import Pipe, Sleep, Tcp, UnixSocket
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Heard, StartTls
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.smtp import MemorySink, serve_smtp
from tests.shown_lines import ShownLines

from .scripted_listener import Answer, Line, Script

FIRST, SECOND = Tcp("localhost", 25), Tcp("127.0.0.1", 25)
PARCEL = Parcel(b"a@x", (b"joe@x",), b"Subject: hi\r\n\r\n", 20)
USERS = {b"joe": b"sesame"}


def deliver(
    servers: Mapping[Tcp, Logins | None], password: bytes = b"sesame"
) -> tuple[dict[Tcp, int], list[str]]:
    """Deliver one message; return how many each server received, and the dialogue."""
    lines: list[str] = []
    sinks = {place: MemorySink() for place in servers}
    world = Simulation()
    for place, logins in servers.items():
        world.listen(place, SmtpServer, partial(serve_smtp, sink=sinks[place], logins=logins))
    sink = SmtpSink(
        [Listener(place.host, place, False, place.host) for place in servers],
        "client",
        20.0,
        ShownLines(lambda way, line: lines.append(f"{way} {line.decode()}")),
        Credentials(b"joe", Secret(password)),
    )

    async def story() -> None:
        delivery = await sink.offer(PARCEL)
        assert await delivery.ready()
        await delivery.feed(PARCEL.header)
        await delivery.complete(CompletionProof(1, 20))
        await delivery.outcome()
        await sink.close()

    try:
        world.run(story())
    finally:
        assert not any("sesame" in line for line in lines)
    return {place: len(one.messages) for place, one in sinks.items()}, lines


@pytest.mark.parametrize(
    ("logins", "mechanism"),
    [
        (Logins(USERS, lambda: b"<1@x>"), "AUTH SCRAM-SHA-256 *"),
        (Logins(USERS), "AUTH PLAIN *"),
    ],
)
def test_the_best_mechanism_is_taken(logins: Logins, mechanism: str) -> None:
    got, lines = deliver({FIRST: logins})
    assert got == {FIRST: 1}
    assert f"> {mechanism}" in lines


def test_after_a_refused_login_the_next_listener_is_tried() -> None:
    got, _ = deliver({FIRST: Logins({b"joe": b"other"}), SECOND: Logins(USERS)})
    assert got == {FIRST: 0, SECOND: 1}


@pytest.mark.parametrize(
    ("logins", "why"),
    [(Logins({b"joe": b"other"}), "535"), (None, "offers no usable login method")],
)
def test_without_a_login_no_mail_is_delivered(logins: Logins | None, why: str) -> None:
    with pytest.raises(SinkUnavailable, match=why):
        deliver({FIRST: logins})


# Connections to other hosts

REMOTE = Tcp("smarthost.example", 587)


class Offering(Logins):
    """Logins with these mechanisms only."""

    def __init__(self, users: Mapping[bytes, bytes], offered: tuple[bytes, ...]) -> None:
        super().__init__(users)
        self._offered = offered

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        return self._offered


def log_in_at(
    place: Tcp | UnixSocket | Pipe, mechanisms: bytes, *, tls: bool, refused: bool = False
) -> tuple[list[str], str]:
    """Return the commands that a listener received, and why no mail was sent, or ""."""
    heard: list[str] = []

    def policy(command: Heard) -> Reply | None:
        name = type(command).__name__
        if isinstance(command, Authenticate):
            name += f" {command.mechanism.decode()}"
        heard.append(name)
        return Reply(454, (b"no TLS today",)) if refused and isinstance(command, StartTls) else None

    async def serve(channel: Channel[SmtpServer]) -> None:
        async def secure() -> None:
            await Sleep(0)
            channel.tls = True

        logins = Offering(USERS, tuple(mechanisms.split()))
        await serve_smtp(channel, MemorySink(policy), logins, secure if tls else None)

    world = Simulation()
    world.listen(place, SmtpServer, serve)
    sink = SmtpSink(
        [Listener("sink", place, False, "here")],
        "client",
        20.0,
        None,
        Credentials(b"joe", Secret(b"sesame")),
    )

    async def story() -> None:
        await sink.open()
        await sink.close()

    try:
        world.run(story())
    except SinkUnavailable as failure:
        return heard, str(failure)
    return heard, ""


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_a_password_goes_to_another_host_inside_tls_only(way: str) -> None:
    heard, why = log_in_at(REMOTE, way.encode(), tls=True)
    assert (heard[:3], why) == (["Ehlo", "StartTls", "Ehlo"], "")
    assert heard[3] == f"Authenticate {way}"
    heard, why = log_in_at(REMOTE, way.encode(), tls=False)
    assert heard == ["Ehlo"]
    assert "offers no TLS, and the password is not sent without it" in why


def test_no_password_is_sent_if_starttls_is_offered_and_refused() -> None:
    heard, why = log_in_at(REMOTE, b"PLAIN", tls=True, refused=True)
    assert heard == ["Ehlo", "StartTls"]
    assert "454 no TLS today" in why


@pytest.mark.parametrize(
    "place",
    [
        Tcp("localhost", 25),
        Tcp("127.0.0.1", 25),
        Tcp("127.3.2.1", 25),
        Tcp("::1", 25),
        Tcp("::ffff:127.0.0.1", 25),
        UnixSocket("/run/lmtp"),
        Pipe(("sendmail", "-bs")),
    ],
)
@pytest.mark.parametrize("tls", [True, False])
def test_on_this_host_no_tls_is_needed(place: Tcp | UnixSocket | Pipe, tls: bool) -> None:
    assert log_in_at(place, b"PLAIN", tls=tls) == (["Ehlo", "Authenticate PLAIN", "Quit"], "")


@pytest.mark.parametrize("host", ["localhost.example.org", "128.0.0.1", "0.0.0.0", "10.0.0.1"])
def test_an_address_outside_the_loopback_range_is_remote(host: str) -> None:
    assert log_in_at(Tcp(host, 25), b"PLAIN", tls=False)[0] == ["Ehlo"]


def test_the_address_that_was_reached_counts_and_not_the_name() -> None:
    channel = Channel("sink", SmtpClient())
    for address, local in {"127.0.0.1": True, "::1": True, "10.1.1.1": False, "": True}.items():
        channel.address = address
        assert is_local(channel, Tcp("localhost", 25)) is local
    channel.address = "fe80::1%eth0"
    assert not is_local(channel, Tcp("localhost", 25))


# Mechanisms that do not work

GOOD = b"235 ok\r\n"
BAD = b"535 5.7.8 no\r\n"


def try_mechanisms(offered: bytes, *answers: Answer) -> tuple[Script, str]:
    script = Script(b"250-sink\r\n250 AUTH " + offered + b"\r\n", AUTH=list(answers))
    script.answers["*"] = b"501 5.7.0 cancelled\r\n"
    world = Simulation()
    world.listen(FIRST, Line, script.serve)
    held = Credentials(b"joe", Secret(b"sesame"))
    sink = SmtpSink([Listener("sink", FIRST, False, "x")], "client", 20.0, None, held)

    async def story() -> None:
        await sink.open()
        await sink.close()

    try:
        world.run(story())
    except SinkUnavailable as failure:
        return script, str(failure)
    return script, ""


def verbs(script: Script) -> list[bytes]:
    return [b" ".join(line.split(b" ")[:2]) for line in script.heard]


def test_a_challenge_that_is_no_base64_is_cancelled_and_the_next_mechanism_tried() -> None:
    script, why = try_mechanisms(b"CRAM-MD5 PLAIN", b"334 CRAM supported\r\n", GOOD)
    assert why == ""
    assert verbs(script)[1:4] == [b"AUTH CRAM-MD5", b"*", b"AUTH PLAIN"]


@pytest.mark.parametrize("challenge", [b"334 PLAIN supported\r\n", b"334 bW9yZQ==\r\n"])
def test_a_challenge_to_plain_is_cancelled_and_the_next_mechanism_tried(challenge: bytes) -> None:
    script, _ = try_mechanisms(b"PLAIN LOGIN", challenge, BAD)
    assert verbs(script)[1:4] == [b"AUTH PLAIN", b"*", b"AUTH LOGIN"]


def test_a_mechanism_that_is_refused_is_followed_by_the_next_one() -> None:
    script, why = try_mechanisms(b"CRAM-MD5 PLAIN", BAD, GOOD)
    assert why == ""
    assert verbs(script)[1:3] == [b"AUTH CRAM-MD5", b"AUTH PLAIN"]


def test_after_a_wrong_scram_reply_no_other_mechanism_sends_the_password() -> None:
    wrong = b"334 " + b64encode(b"r=of-somebody-else,s=c2FsdA==,i=4096") + b"\r\n"
    script, why = try_mechanisms(b"SCRAM-SHA-256 PLAIN", wrong)
    assert "SCRAM-SHA-256 failed" in why
    assert verbs(script)[1:] == [b"AUTH SCRAM-SHA-256", b"*"]


def test_a_421_ends_the_login_attempts() -> None:
    script, why = try_mechanisms(b"PLAIN LOGIN", (b"421 too many\r\n", None))
    assert "421 too many" in why
    assert len(script.heard) == 2
