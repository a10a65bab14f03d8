"""No secret of a run is in its transcript, in any form and from either side."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.adapters.transcript.lines import escaped
from mailhaul.adapters.transcript.recorder import Tape
from mailhaul.adapters.transcript.replay import replay
from mailhaul.flows.channel import Channel
from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap import commands as imap
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.pop3 import commands as pop3
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, Respond
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp import commands as smtp
from mailhaul.protocols.smtp.client import SmtpClient

SECRETS = st.text("abcXYZ019+/=-_.,'\"\\ {}%äß€", min_size=3, max_size=24).map(
    lambda text: f"Zq7{text}9".encode()
)
"""Passwords that are not part of any other word."""


def forms(secret: bytes) -> Iterator[bytes]:
    """Yield what would give a secret away."""
    plain = b"\0joe\0" + secret
    yield secret
    yield secret.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    yield from (base64.b64encode(secret), base64.b64encode(plain))


def conversation(kind: str, secret: bytes) -> tuple[Any, list[Any], list[bytes]]:
    """Return a machine, its commands, and the peer's data: the secret in all forms."""
    echo = b" and ".join(forms(secret))
    plain = Secret(b"\0joe\0" + secret)
    match kind:
        case "imap login":
            said = [imap.Login(b"joe", Secret(secret)), imap.Select(b"INBOX"), imap.Noop()]
            heard = [b"* OK hello\r\n", b"A0001 OK [ALERT] %b\r\n", b"* OK %b\r\nA0002 OK x\r\n"]
            return ImapClient(), said, [*(h.replace(b"%b", echo) for h in heard), b"* %b" % echo]
        case "imap plain":
            said = [Authenticate(b"PLAIN", None), Respond(plain), imap.Select(b"INBOX")]
            heard = [b"* OK hello\r\n", b"+ \r\n", b"A0001 NO what is %b?\r\n" % echo]
            return ImapClient(), said, heard
        case "pop3 user":
            said = [pop3.User(b"joe"), pop3.Pass(Secret(secret)), pop3.Stat()]
            heard = [b"+OK hello\r\n", b"+OK\r\n", b"+OK welcome %b\r\n" % echo, b"-ERR " + echo]
            return Pop3Client(), said, [*heard, b"\r\n"]
        case "pop3 apop":
            said = [pop3.Apop(b"joe", Secret(secret)), pop3.Stat()]
            return Pop3Client(), said, [b"+OK <1.2@h>\r\n", b"+OK %b\r\n" % echo, b"+OK 0 0\r\n"]
        case _:
            hello = b"250-x\r\n250 AUTH PLAIN LOGIN\r\n"
            said = [smtp.Ehlo(b"h"), Authenticate(b"PLAIN", plain), smtp.Mail(b"a@example.org")]
            heard = [b"220 hello\r\n", hello, b"334 %b\r\n" % base64.b64encode(secret), b"535 "]
            return SmtpClient(), said, [*heard, echo + b"\r\n", b"250 %b\r\n" % echo]


KINDS = ["imap login", "imap plain", "pop3 user", "pop3 apop", "smtp plain"]


def hold(machine: Any, said: list[Any], heard: list[bytes]) -> None:
    """Send and receive in turn, and continue after errors."""
    try:
        for turn in range(max(len(said), len(heard))):
            if turn < len(heard):
                machine.receive_data(heard[turn])
            while not isinstance(event := machine.next_event(), NeedData):
                if isinstance(event, Challenge) and not machine.outstanding:
                    return
            if turn < len(said):
                machine.send(said[turn])
    except (LocalProtocolError, RemoteProtocolError):
        return


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bodies", [False, True], ids=["without", "with bodies"])
@given(secret=SECRETS)
def test_no_form_of_a_secret_is_recorded(kind: str, bodies: bool, secret: bytes) -> None:
    taken: list[str] = []
    tape = Tape(taken.append, lambda: 0.0, bodies=bodies)
    tape.hide(secret)
    machine, said, heard = conversation(kind, secret)
    tape.watch(Channel("server", machine))

    hold(machine, said, heard)

    text = "\n".join(taken)
    assert len(taken) > 4
    for form in forms(secret):
        assert escaped(form) not in text
        assert form.decode() not in text
        assert repr(form)[2:-1] not in text
    assert [str(one) for one in replay(taken) if one.instead] == []


def test_a_text_is_left_out_unless_it_is_asked_for() -> None:
    for bodies in (False, True):
        taken: list[str] = []
        machine = Pop3Client()
        Tape(taken.append, lambda: 0.0, bodies=bodies).watch(Channel("server", machine))
        said = [pop3.User(b"joe"), pop3.Pass(Secret(b"x")), pop3.Retrieve(1)]
        text = b"Subject: private\r\n\r\n..stuffed\r\nwords\r\n.\r\n"
        hold(machine, said, [b"+OK\r\n", b"+OK\r\n", b"+OK\r\n", b"+OK\r\n" + text])

        assert any("private" in line for line in taken) is bodies
        assert any(" <text 35" in line for line in taken) is not bodies
        assert [one.instead for one in replay(taken) if one.instead] == []
