"""No secret is shown even if the server echoes it, and hiding secrets changes no data."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Apop,
    Command,
    Envelope,
    Last,
    List,
    Noop,
    Pass,
    Retrieve,
    Stat,
    Uidl,
    User,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    Completed,
    Counted,
    Event,
    LastRead,
    Line,
    Listed,
    UniqueId,
)
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, Respond, encode_base64
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines

from .pop3_clients import ask, hear, sent

PASSWORD = b"correct-horse"
PLAIN = b"\0joe\0" + PASSWORD
FORMS = (PASSWORD, encode_base64(PASSWORD), encode_base64(PLAIN))
"""How a password is said."""
LOGINS: list[Command] = [
    Pass(Secret(PASSWORD)),
    Apop(b"joe", Secret(PASSWORD)),
    Authenticate(b"PLAIN", Secret(PLAIN)),
    Authenticate(b"PLAIN", Secret(b"ann" * 60 + PLAIN)),
]


class Watched:
    """A client whose trace is recorded."""

    def __init__(self) -> None:
        self.traced: list[tuple[str, bytes]] = []
        self.client = Pop3Client(tap=ShownLines(lambda way, line: self.traced.append((way, line))))
        hear(self.client, b"+OK <1@x>")

    def log_in(self, command: Command) -> Pop3Client:
        if isinstance(command, Pass):
            ask(self.client, User(b"joe"), b"+OK")
        self.client.send(command)
        return self.client

    def hides(self, *shown: object) -> bool:
        everything = repr((self.traced, shown, *map(str, shown)))
        return not any(form.decode() in everything for form in FORMS)


@pytest.mark.parametrize(
    ("command", "form"),
    [
        *[(LOGINS[0], PASSWORD), (LOGINS[0], FORMS[1]), (LOGINS[1], PASSWORD)],
        *[(LOGINS[2], PASSWORD), (LOGINS[2], FORMS[2]), (LOGINS[3], PASSWORD)],
    ],
)
@pytest.mark.parametrize("status", [b"+OK", b"-ERR", b"-ERR [AUTH]"])
def test_an_echo_is_hidden_in_events_and_traces(
    command: Command, form: bytes, status: bytes
) -> None:
    watched = Watched()
    client = watched.log_in(command)
    [event] = hear(client, status + b" you said " + form + b" again " + form)
    assert isinstance(event, Completed)
    assert event.text == b"you said * again *"
    assert watched.hides(event)


@pytest.mark.parametrize("command", LOGINS)
def test_sent_secrets_are_neither_traced_nor_in_a_repr(command: Command) -> None:
    watched = Watched()
    client = watched.log_in(command)
    assert watched.hides(command, client.outstanding)
    assert watched.traced[-1][1] in {b"PASS *", b"APOP joe *", b"AUTH PLAIN *", b"AUTH PLAIN"}


@pytest.mark.parametrize("command", LOGINS)
@pytest.mark.parametrize("echo", [PASSWORD, PASSWORD[:6], PASSWORD[3:], encode_base64(PLAIN)[:9]])
def test_a_fault_right_after_a_password_shows_no_received_data(
    command: Command, echo: bytes
) -> None:
    client = Watched().log_in(command)
    with pytest.raises(RemoteProtocolError) as raised:
        hear(client, b"what is " + echo)
    assert raised.value.line == b""


def test_a_fault_later_on_shows_what_came_without_the_secret() -> None:
    watched = Watched()
    client = watched.log_in(LOGINS[0])
    hear(client, b"+OK")
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as raised:
        hear(client, b"what is " + PASSWORD + b"?")
    assert raised.value.line == b"what is *?"
    assert watched.hides(raised.value)


def test_a_fault_does_not_show_the_beginning_of_a_secret_that_it_cuts() -> None:
    watched = Watched()
    client = watched.log_in(LOGINS[0])
    hear(client, b"+OK")
    client.send(Noop())
    with pytest.raises(RemoteProtocolError) as raised:
        hear(client, b"x" * 75 + PASSWORD)
    assert PASSWORD[:5] not in raised.value.line


def test_an_exchange_is_traced_without_its_data() -> None:
    watched = Watched()
    client = watched.log_in(Authenticate(b"LOGIN"))
    [challenge] = hear(client, b"+ " + encode_base64(b"nonce and " + PASSWORD))
    assert challenge == Challenge(b"nonce and " + PASSWORD)
    client.send(Respond(Secret(PASSWORD)))
    assert watched.hides(challenge)
    assert watched.traced[-2:] == [("<", b"+ *"), (">", b"*")]
    assert sent(client).endswith(FORMS[1] + b"\r\n")


@pytest.mark.parametrize("form", FORMS[:2])
def test_an_echoed_response_to_a_challenge_is_hidden(form: bytes) -> None:
    watched = Watched()
    client = watched.log_in(Authenticate(b"LOGIN"))
    hear(client, b"+ ")
    client.send(Respond(Secret(PASSWORD)))
    [event] = hear(client, b"-ERR not " + form)
    assert event == Completed(Authenticate(b"LOGIN"), False, b"not *")
    assert watched.hides(event)


def test_a_late_initial_response_is_traced_as_an_answer() -> None:
    watched = Watched()
    client = watched.log_in(LOGINS[-1])
    assert hear(client, b"+ ") == []
    assert watched.traced[-3:] == [(">", b"AUTH PLAIN"), ("<", b"+ *"), (">", b"*")]
    assert FORMS[0] not in repr(watched.traced).encode()


def test_a_trace_holds_no_text_of_messages_or_lists() -> None:
    watched = Watched()
    client = watched.client
    client.assume_authenticated()
    ask(client, Retrieve(1), b"+OK 6 octets", b"private", b".")
    ask(client, Uidl(), b"+OK", b"1 private", b".")
    assert watched.traced == [
        *[("<", b"+OK <1@x>"), (">", b"RETR 1"), ("<", b"+OK 6 octets")],
        *[(">", b"UIDL"), ("<", b"+OK")],
    ]


def test_the_text_of_a_message_is_not_in_a_repr() -> None:
    assert "private" not in repr(BodyChunk(b"private"))


@pytest.mark.parametrize(
    ("command", "lines", "event"),
    [
        (Stat(), [b"+OK 2 12345"], Counted(2, 12345)),
        (Stat(), [b"+OK 12345 2"], Counted(12345, 2)),
        (List(12345), [b"+OK 12345 7"], Listed(12345, 7)),
        (Uidl(1), [b"+OK 1 a12345z"], UniqueId(1, b"a12345z")),
        (Uidl(), [b"+OK", b"1 a12345z", b"."], UniqueId(1, b"a12345z")),
        (List(), [b"+OK", b"1 12345", b"."], Listed(1, 12345)),
        (Last(), [b"+OK 12345"], LastRead(12345)),
        (Envelope(1), [b"+OK", b"box12345@x", b"."], Line(b"box12345@x")),
        (Retrieve(1), [b"+OK", b"12345", b"."], BodyChunk(b"12345\r\n")),
    ],
)
def test_data_that_looks_like_the_password_is_not_changed(
    command: Command, lines: Sequence[bytes], event: Event
) -> None:
    watched = Watched()
    client = watched.log_in(Pass(Secret(b"12345")))
    hear(client, b"+OK")
    assert event in ask(client, command, *lines)


def test_a_short_password_is_not_hidden_once_the_login_is_over() -> None:
    watched = Watched()
    client = watched.log_in(Pass(Secret(b"abc")))
    [event] = hear(client, b"-ERR abc is wrong")
    assert isinstance(event, Completed)
    assert event.text == b"* is wrong"
    ask(client, User(b"joe"), b"+OK")
    ask(client, Pass(Secret(b"abc")), b"+OK")
    assert ask(client, Noop(), b"+OK abc") == [Completed(Noop(), True, b"abc")]
