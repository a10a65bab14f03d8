"""ETRN as fetchmail does it: which reply means what, and how it ends."""

from __future__ import annotations

import pytest

from mailhaul.adapters.etrn import EtrnPoll
from mailhaul.adapters.sources.access import Access, TlsMode
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.report import Event, Said
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.serve.smtp import HangUp, MemorySink, serve_smtp
from mailhaul.protocols.smtp.commands import Etrn, Heard, Quit
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation

HERE = Tcp("mail.example.org", 25)
DOMAINS = ("a.example.org", "b.example.org")


def ask(
    answer: Reply | HangUp, extensions: tuple[bytes, ...] = (b"ETRN",)
) -> tuple[ExitCode, str, list[Heard]]:
    """Return exit code, what was said, and what the server heard of ETRN and QUIT."""
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
        said = "\n".join(event.text for event in events if isinstance(event, Said))
    except PollFailed as failure:
        code, said = failure.code, str(failure)
    return code, said, heard


@pytest.mark.parametrize("code", [250, 252, 253])
def test_every_domain_is_asked_for(code: int) -> None:
    ended, said, heard = ask(Reply(code, (b"ok",)))
    assert ended is ExitCode.SUCCESS
    assert heard == [Etrn(b"a.example.org"), Etrn(b"b.example.org"), Quit()]
    assert said.count("started") == 2


def test_where_nothing_waits_that_is_all() -> None:
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
def test_a_refusal_is_told_with_its_code(code: int, ended: ExitCode, words: str) -> None:
    found, said, heard = ask(Reply(code, (b"no",)))
    assert (found, heard) == (ended, [Etrn(b"a.example.org"), Quit()])
    assert words in said


def test_a_server_without_etrn_is_told_apart() -> None:
    ended, said, heard = ask(Reply(250), ())
    assert (ended, said, heard) == (
        ExitCode.PROTOCOL,
        "server: the server does not support ETRN",
        [Quit()],
    )


def test_a_server_that_hangs_up_is_a_failed_connection() -> None:
    ended, _, heard = ask(HangUp())
    assert (ended, heard) == (ExitCode.SOCKET, [Etrn(b"a.example.org")])
