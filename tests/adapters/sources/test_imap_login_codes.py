"""A temporarily refused login does not mean a wrong password (RFC 5530, section 3)."""

from __future__ import annotations

import pytest

from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.login.imap import greet
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.requests import Tcp, Trust, Wait
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.outbox import Outbox
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation

IMAP = Tcp("server", 143)


class Refusing:
    """A server that refuses every login with this text."""

    def __init__(self, words: bytes) -> None:
        self.words = words
        self.ended = False
        self.outbox = Outbox()
        self.outbox.put(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")

    def receive_data(self, data: bytes) -> None:
        self.outbox.put(b"%b NO %b\r\n" % (data.split(b" ")[0], self.words))

    def receive_eof(self) -> None:
        self.ended = True

    def data_to_send(self) -> list[bytes]:
        return self.outbox.take()

    @property
    def unsent(self) -> int:
        return self.outbox.size


async def stay(channel: Channel[Refusing]) -> None:
    while not channel.machine.ended:
        await Wait([channel], 1e6)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"[UNAVAILABLE] the database is away", ExitCode.SERVBUSY),
        (b"[LIMIT] too many connections", ExitCode.SERVBUSY),
        (b"[INUSE] somebody else has it", ExitCode.LOCKBUSY),
        (b"[ALERT] Too many simultaneous connections. (Failure)", ExitCode.SERVBUSY),
        (
            b"[ALERT] Account exceeded command or bandwidth limits. (Failure)",
            ExitCode.SERVBUSY,
        ),
        (b"Request is throttled. Suggested Backoff Time: 9241 milliseconds", ExitCode.SERVBUSY),
        (b"Maximum number of connections from user+IP exceeded", ExitCode.SERVBUSY),
        (b"Server Unavailable. 15", ExitCode.SERVBUSY),
        (b"LOGIN Rate limit hit", ExitCode.SERVBUSY),
        (b"Too many failed logins, try again later", ExitCode.AUTHFAIL),
        (b"Invalid credentials, try again", ExitCode.AUTHFAIL),
        (b"[ALERT] Invalid credentials (Failure)", ExitCode.AUTHFAIL),
        (b"[AUTHENTICATIONFAILED] Temporary?", ExitCode.AUTHFAIL),
        (b"[AUTHENTICATIONFAILED] no", ExitCode.AUTHFAIL),
        (b"no", ExitCode.AUTHFAIL),
    ],
)
def test_only_a_refusal_of_the_password_itself_is_a_failed_login(
    words: bytes, code: ExitCode
) -> None:
    access = Access(
        "server", IMAP, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
    )
    world = Simulation()
    world.listen(IMAP, lambda: Refusing(words), stay)
    with pytest.raises(PollFailed) as failed:
        world.run(greet(Channel("server", ImapClient()), access))
    assert failed.value.code is code
