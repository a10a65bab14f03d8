"""The POP3 server: the commands it returns, and the replies it sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Envelope,
    Heard,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    Reset,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    LastRead,
    Line,
    Listed,
    ListedBlock,
    ResponseCode,
    TlsReady,
    TurnedAway,
    UniqueId,
    UniqueIdBlock,
)
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from tests.shown_lines import ShownLines


def said(server: Pop3Server) -> bytes:
    return b"".join(server.data_to_send())


def heard_by(server: Pop3Server, data: bytes = b"") -> Heard | Closed | NeedData:
    server.receive_data(data)
    return server.next_event()


def command_in(server: Pop3Server, line: bytes) -> Command:
    """Feed a line that is a command; return the command."""
    heard = heard_by(server, line + b"\r\n")
    assert not isinstance(heard, Closed | NeedData | Respond | CancelAuthentication)
    return heard


def welcoming(limits: Limits | None = None) -> Pop3Server:
    server = Pop3Server(limits or Limits())
    server.send(Greeted(None, b"ready"))
    server.data_to_send()
    return server


def good(server: Pop3Server, line: bytes) -> Pop3Server:
    """Feed a line, and reply +OK."""
    server.send(Completed(command_in(server, line), True))
    server.data_to_send()
    return server


def named() -> Pop3Server:
    return good(welcoming(), b"USER joe")


def serving() -> Pop3Server:
    return good(named(), b"PASS sesame")


# Greetings


def test_a_greeting_ends_with_the_timestamp() -> None:
    server = Pop3Server()
    server.send(Greeted(b"<1.2@x>", b"POP3 ready"))
    assert said(server) == b"+OK POP3 ready <1.2@x>\r\n"
    assert server.state == "authorization"


def test_a_greeting_may_say_nothing() -> None:
    server = Pop3Server()
    server.send(Greeted())
    assert said(server) == b"+OK\r\n"


def test_a_client_that_was_turned_away_is_not_heard() -> None:
    server = Pop3Server()
    server.send(TurnedAway(ResponseCode.SYS_TEMP, b"later"))
    assert said(server) == b"-ERR [SYS/TEMP] later\r\n"
    assert heard_by(server, b"QUIT\r\nXYZZY\r\n") is NEED_DATA
    assert server.unsent == 0
    server.receive_eof()
    assert server.next_event() == Closed()


def test_data_before_the_greeting_is_read_after_it() -> None:
    server = Pop3Server()
    assert heard_by(server, b"QUIT\r\n") is NEED_DATA
    server.send(Greeted())
    assert server.next_event() == Quit()


@pytest.mark.parametrize("event", [Greeted(), TurnedAway()])
def test_a_server_greets_once(event: Event) -> None:
    server = welcoming()
    with pytest.raises(LocalProtocolError):
        server.send(event)
    assert server.unsent == 0


# Commands and answers

ANSWERS: list[tuple[bytes, Sequence[Event], bytes]] = [
    (b"STAT", [Counted(2, 320)], b"+OK 2 320 fine\r\n"),
    (b"LIST", [Listed(1, 120), Listed(2, 200)], b"+OK\r\n1 120\r\n2 200\r\n.\r\n"),
    (b"LIST", [ListedBlock((1, 2), (120, 200))], b"+OK\r\n1 120\r\n2 200\r\n.\r\n"),
    (b"LIST", [], b"+OK\r\n.\r\n"),
    (b"LIST 2", [Listed(2, 200)], b"+OK 2 200 fine\r\n"),
    (b"UIDL", [UniqueId(1, b"a"), UniqueId(2, b"a")], b"+OK\r\n1 a\r\n2 a\r\n.\r\n"),
    (b"UIDL", [UniqueIdBlock((1, 2), (b"a", b".b"))], b"+OK\r\n1 a\r\n2 .b\r\n.\r\n"),
    (b"UIDL", [], b"+OK\r\n.\r\n"),
    (b"UIDL 2", [UniqueId(2, b"b")], b"+OK 2 b fine\r\n"),
    (b"LAST", [LastRead(3)], b"+OK 3 fine\r\n"),
    (b"LANG", [Line(b"en"), Line(b".de")], b"+OK\r\nen\r\n..de\r\n.\r\n"),
    (b"LANG", [], b"+OK\r\n.\r\n"),
    (b"LANG de", [], b"+OK fine\r\n"),
    (b"*ENV 1", [Line(b"."), Line(b"ann@x")], b"+OK\r\n..\r\nann@x\r\n.\r\n"),
    (
        b"CAPA",
        [Capabilities(((b"TOP", b""), (b"SASL", b"PLAIN LOGIN"), (b".X", b"")))],
        b"+OK\r\nTOP\r\nSASL PLAIN LOGIN\r\n..X\r\n.\r\n",
    ),
    (b"CAPA", [Capabilities(())], b"+OK\r\n.\r\n"),
    (b"CAPA", [], b"+OK\r\n.\r\n"),
    (b"RETR 1", [BodyStart(1)], b"+OK\r\n.\r\n"),
    (
        b"RETR 1",
        [BodyStart(1), BodyChunk(b".a\r\n.."), BodyChunk(b"\n.\r\nb")],
        b"+OK\r\n..a\r\n...\r\n..\r\nb\r\n.\r\n",
    ),
    (b"TOP 1 0", [BodyStart(1), BodyChunk(b"a: b\r\n\r\n")], b"+OK\r\na: b\r\n\r\n.\r\n"),
    *[(line, [], b"+OK fine\r\n") for line in (b"DELE 1", b"RSET", b"NOOP", b"QUIT")],
]


@pytest.mark.parametrize(("line", "events", "wire"), ANSWERS)
def test_each_answer_as_it_is_written(line: bytes, events: Sequence[Event], wire: bytes) -> None:
    server = serving()
    command = command_in(server, line)
    assert server.outstanding == (command,)
    for event in events:
        server.send(event)
    server.send(Completed(command, True, b"fine"))
    assert said(server) == wire
    assert not server.outstanding
    assert server.unsent == 0


LINES = sorted({line for line, *_ in ANSWERS})


@pytest.mark.parametrize("line", LINES)
def test_each_command_may_be_refused(line: bytes) -> None:
    server = serving()
    command = command_in(server, line)
    server.send(Completed(command, False, b"no", ResponseCode.SYS_PERM))
    assert said(server) == b"-ERR [SYS/PERM] no\r\n"
    assert server.state == ("leaving" if line == b"QUIT" else "transaction")


def test_codes_are_written_before_the_text() -> None:
    server = serving()
    heard_by(server, b"DELE 1\r\n")
    server.send(Completed(Delete(1), True, b"gone", ResponseCode.UTF8))
    assert said(server) == b"+OK [UTF8] gone\r\n"


def test_one_command_at_a_time_is_handed_out() -> None:
    server = serving()
    assert heard_by(server, b"DELE 1\r\nDELE 2\r\nQUIT\r\n") == Delete(1)
    assert server.next_event() is NEED_DATA
    server.send(Completed(Delete(1), True))
    assert server.next_event() == Delete(2)
    server.send(Completed(Delete(2), True))
    assert server.next_event() == Quit()
    server.send(Completed(Quit(), True))
    assert said(server) == b"+OK\r\n" * 3


def test_after_quit_nothing_is_read() -> None:
    server = serving()
    heard_by(server, b"QUIT\r\nDELE 1\r\n")
    server.send(Completed(Quit(), True))
    assert server.next_event() is NEED_DATA
    assert said(server) == b"+OK\r\n"
    server.receive_eof()
    assert server.next_event() == Closed()
    assert server.next_event() is NEED_DATA


def test_a_line_that_cannot_be_read_is_answered_and_the_next_one_heard() -> None:
    server = serving()
    assert heard_by(server, b"XYZZY\r\nRETR 0\r\n\r\nNOOP\r\n") == Noop()
    assert said(server) == (
        b"-ERR unknown command or missing argument\r\n"
        b"-ERR message numbers begin at 1\r\n"
        b"-ERR unknown command or missing argument\r\n"
    )


def test_lines_may_end_with_a_bare_line_feed() -> None:
    server = serving()
    assert heard_by(server, b"NOOP\n") == Noop()


EARLY = (b"CAPA", b"STLS", b"USER joe", b"APOP joe x", b"AUTH PLAIN", b"UTF8", b"LANG", b"QUIT")
LATE = (b"STAT", b"LIST", b"UIDL", b"TOP 1 1", b"RETR 1", b"DELE 1", b"RSET", b"NOOP", b"LAST")
PLACES = {
    "authorization": EARLY,
    "named": (
        b"CAPA",
        b"STLS",
        b"UTF8",
        b"USER joe",
        b"PASS x",
        b"APOP joe x",
        b"AUTH PLAIN",
        b"LANG",
        b"QUIT",
    ),
    "transaction": (*LATE, b"*ENV 1", b"CAPA", b"LANG", b"QUIT"),
}


@pytest.mark.parametrize("line", sorted({*EARLY, *LATE, *PLACES["named"], b"*ENV 1"}))
@pytest.mark.parametrize("state", PLACES)
def test_a_command_is_accepted_only_in_its_states(state: str, line: bytes) -> None:
    server = {"authorization": welcoming, "named": named, "transaction": serving}[state]()
    heard = heard_by(server, line + b"\r\n")
    if line in PLACES[state]:
        assert server.outstanding == (heard,)
        assert said(server) == b""
    else:
        assert heard is NEED_DATA
        assert said(server) == b"-ERR not allowed in state %b\r\n" % state.encode()
        assert server.state == state


# Logging in


@pytest.mark.parametrize("line", [b"PASS x", b"APOP joe x", b"AUTH PLAIN"])
@pytest.mark.parametrize(("fine", "state"), [(True, "transaction"), (False, "authorization")])
def test_the_verdict_on_a_login_decides_where_it_goes_on(
    line: bytes, fine: bool, state: str
) -> None:
    server = named()
    command = heard_by(server, line + b"\r\n")
    assert isinstance(command, Pass | Apop | Authenticate)
    server.send(Completed(command, fine))
    assert server.state == state


def test_a_refused_user_name_allows_no_password() -> None:
    server = welcoming()
    heard_by(server, b"USER joe\r\n")
    server.send(Completed(User(b"joe"), False))
    assert heard_by(server, b"PASS x\r\n") is NEED_DATA
    assert server.state == "authorization"


def test_an_exchange_is_challenges_and_answers() -> None:
    server = welcoming()
    command = command_in(server, b"AUTH LOGIN\r\nam9l\r\nc2VzYW1l\r\nNOOP")
    assert command == Authenticate(b"LOGIN")
    answers: list[bytes] = []
    for prompt in (b"Username:", b""):
        assert server.next_event() is NEED_DATA
        server.send(Challenge(prompt))
        answer = server.next_event()
        assert isinstance(answer, Respond)
        answers.append(answer.response.reveal())
    assert answers == [b"joe", b"sesame"]
    assert said(server) == b"+ VXNlcm5hbWU6\r\n+ \r\n"
    server.send(Completed(command, True))
    assert server.next_event() == Noop()


@pytest.mark.parametrize("line", [b"*", b"!", b"YQ", b"YQ==x"])
def test_a_client_cancels_with_a_star_or_with_nonsense(line: bytes) -> None:
    server = welcoming()
    command = heard_by(server, b"AUTH PLAIN\r\n")
    assert isinstance(command, Authenticate)
    server.send(Challenge(b""))
    assert heard_by(server, line + b"\r\n") == CancelAuthentication()
    server.send(Completed(command, False, b"as you like", ResponseCode.AUTH))
    assert said(server) == b"+ \r\n-ERR [AUTH] as you like\r\n"
    assert server.state == "authorization"


def test_the_server_may_decide_before_the_response() -> None:
    server = welcoming()
    command = heard_by(server, b"AUTH PLAIN\r\n")
    assert isinstance(command, Authenticate)
    server.send(Challenge(b""))
    server.send(Completed(command, False))
    assert heard_by(server, b"QUIT\r\n") == Quit()


# TLS


def test_commands_after_stls_are_dropped() -> None:
    server = welcoming()
    assert heard_by(server, b"STLS\r\nUSER evil\r\n") == StartTls()
    server.send(TlsReady(StartTls()))
    assert said(server) == b"+OK begin TLS now\r\n"
    assert server.state == "tls-handover"
    assert heard_by(server, b"USER evil\r\n") is NEED_DATA
    server.tls_started()
    assert server.state == "authorization"
    assert server.next_event() is NEED_DATA
    assert heard_by(server, b"CAPA\r\n") == Capa()


def test_tls_may_be_refused() -> None:
    server = welcoming()
    heard_by(server, b"STLS\r\n")
    server.send(Completed(StartTls(), False, b"no"))
    assert said(server) == b"-ERR no\r\n"
    assert heard_by(server, b"QUIT\r\n") == Quit()


def test_tls_started_is_not_allowed_without_starttls() -> None:
    with pytest.raises(LocalProtocolError):
        welcoming().tls_started()


# The end


def rest_of(server: Pop3Server) -> Iterator[Heard | Closed]:
    while not isinstance(heard := server.next_event(), NeedData):
        yield heard


@pytest.mark.parametrize("half", [b"", b"QUI", b"QUIT"])
def test_the_end_is_reported_once_and_half_a_command_is_dropped(half: bytes) -> None:
    server = serving()
    server.receive_data(half)
    server.receive_eof()
    assert list(rest_of(server)) == [Closed()]
    assert server.next_event() is NEED_DATA


def test_commands_before_the_end_are_returned_and_can_be_answered() -> None:
    server = serving()
    server.receive_data(b"QUIT\r\n")
    server.receive_eof()
    assert server.next_event() == Quit()
    assert server.next_event() is NEED_DATA
    server.send(Completed(Quit(), True))
    assert server.next_event() == Closed()
    assert said(server) == b"+OK\r\n"


def test_an_end_inside_an_exchange_is_reported() -> None:
    server = welcoming()
    assert heard_by(server, b"AUTH PLAIN\r\n") == Authenticate(b"PLAIN")
    server.send(Challenge(b""))
    server.receive_eof()
    assert list(rest_of(server)) == [Closed()]


# Limits


def test_a_command_line_has_a_length_limit() -> None:
    server = good(welcoming(Limits(command_line=20)), b"USER " + b"x" * 14)  # and the CR
    with pytest.raises(LimitExceeded) as raised:
        heard_by(server, b"USER " + b"x" * 15 + b"\r\n")
    assert (raised.value.name, raised.value.limit) == ("command line", 20)
    assert (raised.value.state, server.state) == ("named", "error")
    with pytest.raises(LimitExceeded):
        server.next_event()


def test_a_line_without_an_end_is_rejected_at_its_limit() -> None:
    server = welcoming(Limits(command_line=20))
    assert heard_by(server, b"x" * 20) is NEED_DATA
    with pytest.raises(LimitExceeded):
        heard_by(server, b"x")
    assert server.state == "error"


def test_the_answer_to_a_challenge_has_its_own_limit() -> None:
    server = welcoming(Limits(command_line=20, sasl=41))
    heard_by(server, b"AUTH PLAIN\r\n")
    server.send(Challenge(b""))
    assert isinstance(heard_by(server, b"QUFB" * 10 + b"\r\n"), Respond)
    server.send(Challenge(b""))
    with pytest.raises(LimitExceeded) as raised:
        heard_by(server, b"QUFB" * 10 + b"QQ\r\n")
    assert raised.value.limit == 41


# Traces


def test_a_trace_shows_both_sides_and_no_secret() -> None:
    traced: list[tuple[str, bytes]] = []
    server = Pop3Server(tap=ShownLines(lambda way, line: traced.append((way, line))))
    server.send(Greeted(b"<1@x>"))
    good(server, b"USER joe")
    heard_by(server, b"AUTH LOGIN\r\n")
    server.send(Challenge(b"sesame?"))
    heard_by(server, b"c2VzYW1l\r\n")
    server.send(Completed(Authenticate(b"LOGIN"), True))
    heard_by(server, b"RETR 1\r\n")
    for event in (BodyStart(1), BodyChunk(b"private\r\n"), Completed(Retrieve(1), True)):
        server.send(event)
    assert traced == [
        *[(">", b"+OK <1@x>"), ("<", b"USER joe"), (">", b"+OK")],
        *[("<", b"AUTH LOGIN"), (">", b"+ *"), ("<", b"*"), (">", b"+OK")],
        *[("<", b"RETR 1"), (">", b"+OK")],
    ]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"PASS two words", b"PASS *"),
        (b"pass sesame", b"pass *"),
        (b"PASS", b"PASS"),
        (b"APOP joe sesame", b"APOP *"),
        (b"APOP", b"APOP"),
        (b"AUTH PLAIN sesame", b"AUTH PLAIN *"),
        (b"auth plain", b"auth plain"),
        (b"TOP 1 2", b"TOP 1 2"),
        (b"USER joe", b"USER joe"),
        # What somebody meant as a password, or sent into an exchange that was over.
        (b" PASS sesame", b"*"),
        (b"PASS\tsesame", b"*"),
        (b"sesame", b"*"),
        (b"XYZZY sesame", b"*"),
        (b"", b""),
    ],
)
def test_a_traced_line_hides_anything_that_may_be_a_secret(line: bytes, shown: bytes) -> None:
    traced: list[bytes] = []
    server = Pop3Server(tap=ShownLines(lambda way, line: traced.append(line)))
    server.send(Greeted())
    heard_by(server, line + b"\r\n")
    assert traced[1] == shown
    assert "sesame" not in repr(traced)


def test_every_command_that_there_is_can_be_heard() -> None:
    lines = b"\r\n".join([*PLACES["authorization"], b""])
    server = welcoming()
    server.receive_data(lines)
    kinds: set[type[Command]] = set()
    while not isinstance(command := server.next_event(), NeedData):
        assert not isinstance(command, Closed | Respond | CancelAuthentication)
        kinds.add(type(command))
        server.send(Completed(command, False))
    assert kinds == {Capa, StartTls, User, Apop, Authenticate, Utf8, Lang, Quit}
    server = serving()
    server.receive_data(b"\r\n".join([*PLACES["transaction"], b""]))
    while not isinstance(command := server.next_event(), NeedData):
        assert not isinstance(command, Closed | Respond | CancelAuthentication)
        kinds.add(type(command))
        server.send(Completed(command, False))
    assert kinds >= {Stat, List, Uidl, Top, Retrieve, Delete, Reset, Noop, Last, Envelope}
