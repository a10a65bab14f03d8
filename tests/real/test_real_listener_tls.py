"""A login at a real listener that lets nobody in without TLS, on real sockets."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.flows.outcome import Outcome, SinkUnavailable
from mailhaul.flows.requests import Tcp
from mailhaul.flows.sink import Parcel, post
from mailhaul.protocols.sasl.credentials import Credentials
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine

LETTER = Parcel(b"ann@example.org", (b"joe@example.org",), b"Subject: hi\r\n\r\ntext\r\n", 21)


class Mailbox:
    """Takes mail, and notes by which sessions."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.sessions: list[tuple[bool, bool]] = []

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.texts.append(envelope.content)
        self.sessions.append((session.ssl is not None, bool(session.authenticated)))
        return "250 taken"


def let_in(
    server: object, session: object, envelope: object, mechanism: str, data: object
) -> AuthResult:
    good = LoginPassword(b"joe", b"sesame")
    return AuthResult(success=data == good, handled=False)


@pytest.mark.parametrize("password", [b"sesame", b"wrong"])
def test_starttls_comes_first_and_the_login_after_it(password: bytes) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("another.example.org").configure_cert(context)
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        authenticator=let_in,
        auth_required=True,
    )
    controller.start()
    try:
        held = Credentials(b"joe", Secret(password))
        listener = Listener("sink", Tcp("127.0.0.1", port), False, "here")
        sink = SmtpSink([listener], "client", 20.0, None, held)

        async def story() -> Outcome:
            outcome = await post(sink, LETTER)
            await sink.close()
            return outcome

        if password == b"wrong":
            with pytest.raises(SinkUnavailable, match="535"):
                blocking.run(story(), Engine(time.monotonic))
            assert mailbox.texts == []
            return
        assert blocking.run(story(), Engine(time.monotonic)).accepted
    finally:
        controller.stop()
    assert mailbox.texts == [LETTER.header]
    assert mailbox.sessions == [(True, True)]
