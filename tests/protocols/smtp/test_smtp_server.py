"""The SMTP server: order of commands, its own replies, and what it drops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.smtp.commands import (
    BodyChunk,
    Data,
    Ehlo,
    EndOfData,
    Heard,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from mailhaul.protocols.smtp.events import Closed, Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from tests.shown_lines import ShownLines

OK = Reply(250, (b"ok",))
GO = Reply(354, (b"go",))
HELLO = b"EHLO client\r\n"
ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
Answer = Callable[[Heard], Reply]


def usual(heard: Heard) -> Reply:
    return GO if isinstance(heard, Data) else OK


def greeted(
    lmtp: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    extensions: dict[bytes, bytes] | None = None,
) -> SmtpServer:
    server = SmtpServer(lmtp, extensions or {b"PIPELINING": b"", b"SIZE": b"99"}, limits)
    server.send(Reply(220, (b"mx",)))
    server.data_to_send()
    return server


def serve(server: SmtpServer, data: bytes, answer: Answer = usual) -> list[Heard | Closed]:
    """Feed the server and reply to all commands; return what it received, with text joined."""
    server.receive_data(data)
    heard: list[Heard | Closed] = []
    while not isinstance(event := server.next_event(), NeedData):
        last = heard[-1] if heard else None
        if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
            heard[-1] = BodyChunk(last.data + event.data)
            continue
        heard.append(event)
        if not isinstance(event, BodyChunk | Closed):
            for _ in range(len(server.outstanding)):
                server.send(answer(event))
    return heard


def codes(server: SmtpServer) -> list[int]:
    lines = b"".join(server.data_to_send()).split(b"\r\n")[:-1]
    return [int(line[:3]) for line in lines if line[3:4] == b" "]


def ready(lmtp: bool = False, extensions: dict[bytes, bytes] | None = None) -> SmtpServer:
    server = greeted(lmtp, extensions=extensions)
    serve(server, b"LHLO client\r\n" if lmtp else HELLO)
    server.data_to_send()
    return server


def test_nothing_is_heard_before_the_greeting() -> None:
    server = SmtpServer()
    server.receive_data(HELLO)
    assert server.next_event() is NEED_DATA
    server.send(Reply(220, (b"mx",)))
    assert server.next_event() == Ehlo(b"client")


def test_a_2xx_to_ehlo_announces_the_extensions() -> None:
    server = greeted()
    serve(server, HELLO)
    assert server.data_to_send() == [b"250-ok\r\n250-PIPELINING\r\n250 SIZE 99\r\n"]


def test_after_a_refusing_greeting_every_command_but_quit_is_out_of_order() -> None:
    server = SmtpServer()
    server.send(Reply(554, (b"no",)))
    assert serve(server, HELLO + b"NOOP\r\nQUIT\r\n") == [Quit()]
    assert codes(server) == [554, 503, 503, 250]


def test_one_segment_with_everything_is_heard_in_order() -> None:
    server = ready()
    data = ENVELOPE + b"..a\r\n.\r\n" + ENVELOPE + b".\r\nQUIT\r\n"
    envelope: list[Heard | Closed] = [Mail(b"a@x"), Rcpt(b"b@x"), Data()]
    assert serve(server, data) == [
        *(*envelope, BodyChunk(b".a\r\n"), EndOfData()),
        *(*envelope, EndOfData()),
        Quit(),
    ]
    assert codes(server) == [250, 250, 354, 250, 250, 250, 354, 250, 250]


@given(st.lists(st.integers(1, 30), min_size=1))
def test_however_bytes_are_cut_the_same_is_heard(sizes: list[int]) -> None:
    data = HELLO + ENVELOPE + b"..a\r\n\n.\nb\r\n.\r\nRSET\r\nQUIT\r\n"
    heard: list[Heard | Closed] = []
    server, rest, turn = greeted(), data, 0
    while rest:
        size = sizes[turn % len(sizes)]
        turn += 1
        for event in serve(server, rest[:size]):
            if isinstance(event, BodyChunk) and heard and isinstance(heard[-1], BodyChunk):
                heard[-1] = BodyChunk(heard[-1].data + event.data)
            else:
                heard.append(event)
        rest = rest[size:]
    assert heard == serve(greeted(), data)


def test_the_next_command_waits_for_the_answer_to_the_last() -> None:
    server = ready()
    server.receive_data(ENVELOPE)
    assert server.next_event() == Mail(b"a@x")
    assert server.next_event() is NEED_DATA
    server.send(Reply(550, (b"no",)))
    # Without a sender neither a recipient nor a text is in order; nobody has to say so.
    assert server.next_event() is NEED_DATA
    assert codes(server) == [550, 503, 503]


def test_text_is_a_command_when_data_was_refused() -> None:
    server = ready()
    refuse = lambda heard: Reply(451, (b"no",)) if isinstance(heard, Data) else OK  # noqa: E731
    assert Rset() in serve(server, ENVELOPE + b"RSET\r\n", refuse)
    assert codes(server) == [250, 250, 451, 250]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"RCPT TO:<a@x>", 503),
        (b"DATA", 503),
        (b"TURN", 500),
        (b"BDAT 5", 500),
        (b"AUTH PLAIN", 500),
        (b"MAIL FROM:a@x", 501),
        (b"MAIL FROM:<a@x> XMF=1", 555),
        (b"STARTTLS", 502),
        (b"NOOP a\nRSET", 500),
    ],
)
def test_unavailable_commands_are_refused_by_the_machine(line: bytes, code: int) -> None:
    server = ready()
    assert serve(server, line + b"\r\nNOOP\r\n")[1:] == []
    assert codes(server) == [code, 250]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"TURN", b"500 5.5.2 unknown command"),
        (b"DATA", b"503 5.5.1 DATA is out of order"),
        (b"VRFY", b"501 5.5.4 an argument is expected"),
        (b"EXPN ", b"501 5.5.4 an argument is expected"),
        (b"MAIL FROM:<a@x> X=1", b"555 5.5.4 MAIL takes no such parameter"),
        (b"EHLO", b"501 exactly one name is expected"),
    ],
)
def test_refusals_have_enhanced_codes_where_these_are_announced(line: bytes, reply: bytes) -> None:
    server = ready(extensions=dict(DEFAULT_EXTENSIONS))
    serve(server, line + b"\r\n")
    assert b"".join(server.data_to_send()) == reply + b"\r\n"


def test_a_non_ascii_recipient_needs_smtputf8() -> None:
    server = ready(extensions={b"SMTPUTF8": b"", b"8BITMIME": b""})
    rcpt = "RCPT TO:<ä@x>\r\n".encode()
    serve(server, b"MAIL FROM:<a@x>\r\n" + rcpt + b"RSET\r\n")
    serve(server, b"MAIL FROM:<a@x> SMTPUTF8\r\n" + rcpt)
    assert codes(server) == [250, 553, 250, 250, 250]


def test_a_fault_says_in_which_state_it_happened() -> None:
    server = greeted(limits=Limits(command_line=100))
    with pytest.raises(
        LimitExceeded, match=r"command line exceeds the limit of 100 \(state start\)"
    ):
        serve(server, b"x" * 101)


def test_a_client_may_authenticate_again_after_starttls() -> None:
    server = ready(extensions={b"AUTH": b"PLAIN", b"STARTTLS": b""})
    good = lambda heard: Reply(235 if isinstance(heard, Authenticate) else 220, (b"ok",))  # noqa: E731
    serve(server, b"AUTH PLAIN AGEAYg==\r\nSTARTTLS\r\n", good)
    server.tls_started()
    heard = serve(server, HELLO + b"AUTH PLAIN AGEAYg==\r\n")
    assert [type(each) for each in heard] == [Ehlo, Authenticate]


def test_a_transaction_has_one_mail_and_ends_with_ehlo_rset_and_the_dot() -> None:
    server = ready()
    serve(server, b"MAIL FROM:<a@x>\r\nMAIL FROM:<b@x>\r\n")
    assert codes(server) == [250, 503]
    serve(server, HELLO + b"RCPT TO:<b@x>\r\n")
    assert codes(server) == [250, 503]
    serve(server, b"MAIL FROM:<a@x>\r\nRSET\r\nRCPT TO:<b@x>\r\n")
    assert codes(server) == [250, 250, 503]
    serve(server, ENVELOPE + b"a\r\n.\r\nRCPT TO:<b@x>\r\n")
    assert codes(server) == [250, 250, 354, 250, 503]


def test_data_needs_a_recipient_that_was_taken() -> None:
    server = ready()
    refuse = lambda heard: Reply(550) if isinstance(heard, Rcpt) else usual(heard)  # noqa: E731
    serve(server, ENVELOPE, refuse)
    assert codes(server) == [250, 550, 503]


def test_only_crlf_ends_a_command() -> None:
    server = ready()
    assert serve(server, b"NOOP\nQUIT\n") == []
    assert codes(server) == []


def test_lmtp_owes_an_answer_for_each_recipient_that_was_taken() -> None:
    server = ready(lmtp=True)
    refuse = lambda heard: Reply(550) if heard == Rcpt(b"no@x") else usual(heard)  # noqa: E731
    serve(server, b"MAIL FROM:<a@x>\r\n", refuse)
    for name in (b"one@x", b"no@x", b"one@x"):
        serve(server, b"RCPT TO:<" + name + b">\r\n", refuse)
    serve(server, b"DATA\r\n", refuse)
    server.data_to_send()
    server.receive_data(b".\r\nNOOP\r\n")
    assert server.next_event() == EndOfData()
    assert server.outstanding == (EndOfData(), EndOfData())
    server.send(OK)
    assert server.next_event() is NEED_DATA
    server.send(Reply(452, (b"full",)))
    assert codes(server) == [250, 452]
    assert server.next_event() is not NEED_DATA


def test_an_lmtp_server_is_not_an_smtp_server() -> None:
    server = greeted(lmtp=True)
    assert serve(server, HELLO + b"HELO a\r\nMAIL FROM:<a@x>\r\n") == []
    assert codes(server) == [500, 500, 503]


def test_commands_after_starttls_are_dropped_and_not_obeyed() -> None:
    server = ready(extensions={b"STARTTLS": b""})
    tls = lambda heard: Reply(220, (b"go",)) if isinstance(heard, StartTls) else OK  # noqa: E731
    assert serve(server, b"STARTTLS\r\nRSET\r\nEHLO evil\r\n", tls) == [StartTls()]
    assert serve(server, b"NOOP\r\n") == []
    server.tls_started()
    assert codes(server) == [220]
    assert serve(server, b"MAIL FROM:<a@x>\r\n") == []
    serve(server, HELLO)
    assert b"STARTTLS" not in b"".join(server.data_to_send())
    assert serve(server, b"STARTTLS\r\n") == []


def test_commands_after_a_refused_starttls_are_obeyed() -> None:
    server = ready(extensions={b"STARTTLS": b""})
    no_tls = lambda heard: Reply(454) if isinstance(heard, StartTls) else OK  # noqa: E731
    assert serve(server, b"STARTTLS\r\nRSET\r\n", no_tls) == [StartTls(), Rset()]


def test_the_end_is_reported_after_all_received_data() -> None:
    server = ready()
    server.receive_eof()
    assert serve(server, b"RSET\r\nQUIT\r\n") == [Rset(), Quit(), Closed()]
    assert server.next_event() is NEED_DATA


def test_a_text_that_is_cut_off_never_ends() -> None:
    server = ready()
    server.receive_eof()
    heard = serve(server, ENVELOPE + b"a\r\n.\r")
    assert heard[-1] == Closed()
    assert EndOfData() not in heard


def test_a_reply_cannot_carry_a_second_one() -> None:
    server = ready()
    server.receive_data(b"NOOP\r\n")
    server.next_event()
    for text in (b"ok\r\n250 ok", b"ok\n250 ok"):
        with pytest.raises(LocalProtocolError, match="line ending"):
            server.send(Reply(250, (text,)))
    assert codes(server) == []


def test_only_421_may_be_sent_unsolicited() -> None:
    server = ready()
    with pytest.raises(LocalProtocolError):
        server.send(OK)
    server.send(Reply(421, (b"bye",)))
    assert codes(server) == [421]


def test_a_command_line_has_a_limit() -> None:
    for data in (b"a" * 200, b"a" * 200 + b"\r\n"):
        server = greeted(limits=Limits(command_line=100))
        server.receive_data(data)
        for _ in range(2):
            with pytest.raises(LimitExceeded):
                server.next_event()
        assert server.state == "error"


def test_the_trace_has_every_line_and_no_text() -> None:
    seen: list[tuple[str, bytes]] = []
    server = SmtpServer(extensions={}, tap=ShownLines(lambda way, line: seen.append((way, line))))
    server.send(Reply(220, (b"mx",)))
    serve(server, HELLO + ENVELOPE + b"secret\r\n.\r\n")
    assert (">", b"354 go") in seen
    assert ("<", b"DATA") in seen
    assert not any(b"secret" in line for _, line in seen)


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=10),
        st.sampled_from(
            [
                *(
                    HELLO,
                    ENVELOPE,
                    b"a\r\n.\r\n",
                    b".\r\n",
                    b"RSET\r\n",
                    b"STARTTLS\r\n",
                    b"QUIT\r\n",
                ),
                *(b"MAIL FROM:<", b"RCPT TO:<b@x>\r\n", b"\r\n", b"LHLO a\r\n", b"NOOP\r\n"),
            ]
        ),
    ),
    max_size=12,
)


@given(st.booleans(), PIECES, st.sampled_from([200, 220, 250, 354, 421, 450, 550]), st.booleans())
def test_any_data_gives_commands_or_an_error(
    lmtp: bool, pieces: list[bytes], code: int, eof: bool
) -> None:
    server = greeted(lmtp, Limits(command_line=60), {b"STARTTLS": b"", b"SIZE": b""})
    served = 0

    def answer(heard: Heard) -> Reply:
        return Reply(code) if served % 3 == 2 else usual(heard)

    try:
        for piece in pieces:
            served += len(serve(server, piece, answer))
        if eof:
            server.receive_eof()
            assert Closed() in serve(server, b"") or server.state == "closed"
    except RemoteProtocolError:
        assert server.state == "error"
