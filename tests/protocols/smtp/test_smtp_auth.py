"""AUTH (RFC 4954) on both sides: challenges, the initial response, hidden secrets."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Ehlo, Mail, Noop, Quit
from mailhaul.protocols.smtp.events import Answered, Closed, Event, Reply, SaidGoodbye
from mailhaul.protocols.smtp.server import SmtpServer
from tests.shown_lines import ShownLines

SECRET = b"\0joe\0sesame-street"
ENCODED = b"AGpvZQBzZXNhbWUtc3RyZWV0"
PLAIN = Authenticate(b"PLAIN", Secret(SECRET))
LOGIN = Authenticate(b"LOGIN")
WELCOME = Reply(235, (b"2.7.0 welcome",))


class Wire:
    """A client after EHLO, and its trace."""

    def __init__(self, limits: int = 0) -> None:
        self.shown: list[bytes] = []
        self.client = SmtpClient(tap=ShownLines(lambda way, line: self.shown.append(line)))
        self.hear(b"220 mx\r\n")
        self.client.send(Ehlo(b"client"))
        self.hear(b"250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN LOGIN\r\n")
        self.sent()

    def hear(self, data: bytes) -> list[Event]:
        self.client.receive_data(data)
        events: list[Event] = []
        while not isinstance(event := self.client.next_event(), NeedData):
            events.append(event)
        return events

    def sent(self) -> bytes:
        return b"".join(self.client.data_to_send())


def test_an_initial_response_is_sent_with_the_command() -> None:
    wire = Wire()
    wire.client.send(PLAIN)
    assert wire.sent() == b"AUTH PLAIN " + ENCODED + b"\r\n"
    [answer] = wire.hear(b"235 2.7.0 welcome\r\n")
    assert answer == Answered(PLAIN, Reply(235, (b"2.7.0 welcome",), b"2.7.0"))
    assert wire.client.state == "ready"


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    wire = Wire()
    wire.client.send(Authenticate(b"EXTERNAL", Secret(b"")))
    assert wire.sent() == b"AUTH EXTERNAL =\r\n"


def test_an_initial_response_too_long_for_a_line_waits_for_a_challenge() -> None:
    wire = Wire()
    wire.client.send(Authenticate(b"PLAIN", Secret(b"\0joe\0" + b"x" * 400)))
    assert wire.sent() == b"AUTH PLAIN\r\n"
    assert wire.hear(b"334 \r\n") == []
    assert len(wire.sent()) > 512


def test_challenges_are_answered_one_by_one() -> None:
    wire = Wire()
    wire.client.send(LOGIN)
    assert wire.sent() == b"AUTH LOGIN\r\n"
    for challenge, response in ((b"Username:", b"joe"), (b"Password:", b"sesame")):
        encoded = {b"Username:": b"VXNlcm5hbWU6", b"Password:": b"UGFzc3dvcmQ6"}[challenge]
        assert wire.hear(b"334 " + encoded + b"\r\n") == [Challenge(challenge)]
        wire.client.send(Respond(Secret(response)))
    assert wire.sent() == b"am9l\r\nc2VzYW1l\r\n"
    [answer] = wire.hear(b"535 5.7.8 no\r\n")
    assert isinstance(answer, Answered)
    # A refused login may be tried again.
    wire.client.send(PLAIN)


def test_a_challenge_can_be_answered_with_a_star() -> None:
    wire = Wire()
    wire.client.send(LOGIN)
    wire.hear(b"334 VXNlcm5hbWU6\r\n")
    wire.client.send(CancelAuthentication())
    assert wire.sent().endswith(b"\r\n*\r\n")
    with pytest.raises(LocalProtocolError, match="no challenge"):
        wire.client.send(CancelAuthentication())


def test_nothing_is_pipelined_with_an_authentication() -> None:
    wire = Wire()
    wire.client.send(PLAIN)
    for command in (Noop(), Mail(b"a@x"), PLAIN, Quit()):
        with pytest.raises(LocalProtocolError):
            wire.client.send(command)


def test_an_authenticated_client_cannot_authenticate_again() -> None:
    wire = Wire()
    wire.client.send(PLAIN)
    wire.hear(b"235 ok\r\n")
    with pytest.raises(LocalProtocolError, match="once per session"):
        wire.client.send(PLAIN)


@pytest.mark.parametrize(
    "data",
    [b"334 not base64!\r\n334 VXNlcm5hbWU6\r\n", b"334 VXNlcm5hbWU6\r\n334 VXNlcm5hbWU6\r\n"],
)
def test_a_challenge_out_of_place_is_the_servers_fault(data: bytes) -> None:
    wire = Wire()
    wire.client.send(LOGIN)
    with pytest.raises(RemoteProtocolError):
        wire.hear(data)


def test_a_challenge_that_is_not_base64_is_cancelled_and_another_mechanism_may_follow() -> None:
    wire = Wire()
    wire.client.send(PLAIN)
    assert wire.hear(b"334 PLAIN supported\r\n") == []
    assert b"".join(wire.client.data_to_send()).endswith(b"\r\n*\r\n")
    [answer] = wire.hear(b"501 5.7.0 cancelled\r\n")
    assert isinstance(answer, Answered)
    wire.client.send(LOGIN)


def test_a_good_bye_ends_an_authentication() -> None:
    wire = Wire()
    wire.client.send(LOGIN)
    [answer] = wire.hear(b"421 4.7.0 too many\r\n")
    assert isinstance(answer, Answered)
    assert wire.client.state == "parting"


def test_an_end_inside_an_authentication_is_a_loss() -> None:
    wire = Wire()
    wire.client.send(LOGIN)
    wire.client.receive_eof()
    with pytest.raises(ConnectionLost, match="AUTH"):
        wire.client.next_event()


def test_no_secret_is_shown_in_a_trace_or_an_event_or_an_error() -> None:
    wire = Wire()
    wire.client.send(PLAIN)
    [answer] = wire.hear(b"535 no such thing as " + ENCODED + b" or sesame-street\r\n")
    wire.client.send(LOGIN)
    wire.hear(b"334 c2VzYW1lLXN0cmVldA==\r\n")
    wire.client.send(Respond(Secret(b"sesame-street")))
    wire.client.receive_data(b"c2VzYW1lLXN0cmVldA== sesame-street\r\n")
    with pytest.raises(RemoteProtocolError) as caught:
        wire.client.next_event()
    everything = b"\n".join([*wire.shown, repr((answer, wire.shown, PLAIN)).encode()])
    everything += str(caught.value).encode() + caught.value.line
    for secret in (b"sesame-street", ENCODED, b"c2VzYW1lLXN0cmVldA"):
        assert secret not in everything


# The server


class Desk:
    """A server after EHLO, and its trace."""

    def __init__(self, lmtp: bool = False) -> None:
        self.shown: list[bytes] = []
        extensions = {b"AUTH": b"PLAIN LOGIN"}
        tap = ShownLines(lambda way, line: self.shown.append(line))
        self.server = SmtpServer(lmtp, extensions, tap=tap)
        self.server.send(Reply(220))
        self.server.receive_data(b"LHLO a\r\n" if lmtp else b"EHLO a\r\n")
        assert self.server.next_event() == Ehlo(b"a")
        self.server.send(Reply(250))
        self.said()

    def hear(self, line: bytes) -> object:
        self.server.receive_data(line + b"\r\n")
        return self.server.next_event()

    def said(self) -> bytes:
        return b"".join(self.server.data_to_send())


def test_the_server_hears_an_initial_response() -> None:
    desk = Desk()
    heard = desk.hear(b"auth plain " + ENCODED)
    assert isinstance(heard, Authenticate)
    assert heard.mechanism == b"PLAIN"
    assert heard.initial_response is not None
    assert heard.initial_response.reveal() == SECRET
    assert desk.hear(b"AUTH EXTERNAL =") is NEED_DATA
    desk.server.send(WELCOME)
    assert desk.server.next_event() is NEED_DATA
    assert desk.said() == b"235 2.7.0 welcome\r\n503 already authenticated\r\n"
    assert ENCODED not in b"".join(desk.shown)


def test_the_server_challenges_and_hears_responses() -> None:
    desk = Desk(lmtp=True)
    assert desk.hear(b"AUTH LOGIN") == LOGIN
    desk.server.send(Challenge(b"Username:"))
    assert desk.said() == b"334 VXNlcm5hbWU6\r\n"
    heard = desk.hear(b"am9l")
    assert isinstance(heard, Respond)
    assert heard.response.reveal() == b"joe"
    desk.server.send(Challenge(b""))
    assert desk.said() == b"334 \r\n"
    assert desk.hear(b"*") == CancelAuthentication()
    desk.server.send(Reply(501, (b"cancelled",)))
    assert desk.hear(b"NOOP") == Noop()


def test_a_response_that_is_not_base64_cancels() -> None:
    desk = Desk()
    desk.hear(b"AUTH LOGIN")
    desk.server.send(Challenge(b""))
    assert desk.hear(b"?") == CancelAuthentication()


def test_a_challenge_needs_an_authentication() -> None:
    desk = Desk()
    with pytest.raises(LocalProtocolError, match="challenge"):
        desk.server.send(Challenge(b""))
    desk.hear(b"AUTH LOGIN")
    desk.server.send(Challenge(b""))
    with pytest.raises(LocalProtocolError, match="challenge"):
        desk.server.send(Challenge(b""))


def test_a_client_that_leaves_over_a_challenge_has_closed() -> None:
    desk = Desk()
    desk.hear(b"AUTH LOGIN")
    desk.server.send(Challenge(b""))
    desk.server.receive_eof()
    assert desk.server.next_event() == Closed()
    assert desk.server.next_event() is NEED_DATA


def test_a_server_that_gives_up_over_a_challenge_may_say_so() -> None:
    desk = Desk()
    desk.hear(b"AUTH LOGIN")
    desk.server.send(Challenge(b""))
    desk.server.send(Reply(421, (b"4.4.2 asleep?",)))
    assert desk.said().endswith(b"421 4.4.2 asleep?\r\n")


def test_authentication_is_out_of_order_inside_a_transaction() -> None:
    desk = Desk()
    assert desk.hear(b"MAIL FROM:<a@x>") == Mail(b"a@x")
    desk.server.send(Reply(250))
    assert desk.hear(b"AUTH LOGIN") is NEED_DATA
    assert desk.said() == b"250 \r\n503 AUTH is out of order\r\n"


def test_an_unsolicited_421_is_distinguished_from_a_reply() -> None:
    wire = Wire()
    assert wire.hear(b"421 bye\r\n") == [SaidGoodbye(Reply(421, (b"bye",)))]
