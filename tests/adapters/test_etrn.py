"""ETRN as in fetchmail: the meaning of the replies, and the exit codes."""

from __future__ import annotations

import pytest

from mailhaul.adapters.etrn import EtrnPoll
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Sleep, Tcp, Trust
from mailhaul.protocols.smtp.commands import Etrn, Heard, Quit, StartTls
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.smtp import HangUp, MemorySink, serve_smtp

HERE = Tcp("mail.example.org", 25)
DOMAINS = ("a.example.org", "b.example.org")


def ask(
    answer: Reply | HangUp, extensions: tuple[bytes, ...] = (b"ETRN",)
) -> tuple[ExitCode, str, list[Heard]]:
    """Return the exit code, the messages, and the ETRN and QUIT commands received."""
    heard: list[Heard] = []
    events: list[Event] = []

    def policy(command: Heard) -> Reply | HangUp | None:
        if isinstance(command, Etrn | Quit):
            heard.append(command)
        return answer if isinstance(command, Etrn) else None

    world = Simulation()
    sink = MemorySink(policy=policy)
    offered = dict.fromkeys(extensions, b"")
    world.listen(HERE, lambda: SmtpServer(False, offered), lambda c: serve_smtp(c, sink))
    access = Access("server", HERE, "joe", None, TlsMode.NEVER, Trust("server"))
    poll = EtrnPoll(access, DOMAINS, "client", events.append)
    try:
        code = world.run(poll.run())
        said = "\n".join(event.text for event in events if isinstance(event, Remark))
    except PollFailed as failure:
        code, said = failure.code, str(failure)
    return code, said, heard


@pytest.mark.parametrize("code", [250, 252, 253])
def test_etrn_is_sent_for_every_domain(code: int) -> None:
    ended, said, heard = ask(Reply(code, (b"ok",)))
    assert ended is ExitCode.SUCCESS
    assert heard == [Etrn(b"a.example.org"), Etrn(b"b.example.org"), Quit()]
    assert said.count("started") == 2


def test_if_no_mail_waits_the_session_ends() -> None:
    ended, said, heard = ask(Reply(251, (b"nothing",)))
    assert (ended, said) == (ExitCode.SUCCESS, "No messages waiting for a.example.org")
    assert heard == [Etrn(b"a.example.org"), Quit()]


@pytest.mark.parametrize(
    ("code", "ended", "words"),
    [
        (458, ExitCode.PROTOCOL, "Unable to queue messages for node a.example.org: 458 no"),
        (459, ExitCode.AUTHFAIL, "Node a.example.org not allowed: 459 no"),
        (500, ExitCode.PROTOCOL, "ETRN syntax error for a.example.org: 500 no"),
        (501, ExitCode.PROTOCOL, "syntax error in parameters for a.example.org: 501 no"),
        (550, ExitCode.PROTOCOL, "ETRN failed for a.example.org: 550 no"),
    ],
)
def test_a_refusal_is_reported_with_its_code(code: int, ended: ExitCode, words: str) -> None:
    found, said, heard = ask(Reply(code, (b"no",)))
    assert (found, heard) == (ended, [Etrn(b"a.example.org"), Quit()])
    assert words in said


def test_a_server_without_etrn_is_detected() -> None:
    ended, said, heard = ask(Reply(250), ())
    assert (ended, said, heard) == (
        ExitCode.PROTOCOL,
        "server: the server does not support ETRN",
        [Quit()],
    )


def ask_with_tls(
    mode: TlsMode, *, asked: bool, offered: bool = True, refused: bool = False
) -> tuple[ExitCode, str, list[str]]:
    """Return the exit code, the messages, and the commands received, with "tls" where it began."""
    heard: list[str] = []

    def policy(command: Heard) -> Reply | None:
        heard.append(type(command).__name__)
        return Reply(454, (b"no TLS today",)) if refused and isinstance(command, StartTls) else None

    async def serve(channel: Channel[SmtpServer]) -> None:
        async def secure() -> None:
            await Sleep(0)
            channel.tls = True

        await serve_smtp(channel, MemorySink(policy=policy), secure=secure if offered else None)

    world = Simulation()
    world.listen(HERE, lambda: SmtpServer(False, {b"ETRN": b""}), serve)
    access = Access("server", HERE, "joe", None, mode, Trust("server"), tls_asked=asked)
    poll = EtrnPoll(access, DOMAINS[:1], "client", lambda event: None)
    try:
        return world.run(poll.run()), "", heard
    except PollFailed as failure:
        return failure.code, str(failure), heard


CLEAR = ["Ehlo", "Etrn", "Quit"]
INSIDE = ["Ehlo", "StartTls", "Ehlo", "Etrn", "Quit"]


@pytest.mark.parametrize(
    ("mode", "asked", "heard"),
    [
        (TlsMode.REQUIRED, True, INSIDE),
        (TlsMode.OFFERED, False, INSIDE),
        # By default TLS is not required: fetchmail does not use it, and no secret is sent.
        (TlsMode.REQUIRED, False, CLEAR),
        (TlsMode.NEVER, False, CLEAR),
    ],
)
def test_tls_is_used_if_the_user_asked_for_it(mode: TlsMode, asked: bool, heard: list[str]) -> None:
    assert ask_with_tls(mode, asked=asked) == (ExitCode.SUCCESS, "", heard)


@pytest.mark.parametrize("refused", [False, True])
def test_without_the_required_tls_no_etrn_is_sent(refused: bool) -> None:
    code, said, heard = ask_with_tls(TlsMode.REQUIRED, asked=True, offered=refused, refused=refused)
    assert (code, "Etrn" in heard) == (ExitCode.SOCKET, False)
    assert "STARTTLS" in said
    assert "sslproto" in said


def test_optional_tls_that_is_refused_is_not_used() -> None:
    code, _, heard = ask_with_tls(TlsMode.OFFERED, asked=False, refused=True)
    assert (code, heard) == (ExitCode.SUCCESS, ["Ehlo", "StartTls", "Etrn", "Quit"])


def test_a_server_that_hangs_up_is_a_failed_connection() -> None:
    ended, _, heard = ask(HangUp())
    assert (ended, heard) == (ExitCode.SOCKET, [Etrn(b"a.example.org")])
