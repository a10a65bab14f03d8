"""Details of the SMTP machines: statuses, ends, traces, 421 in unusual states."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Bdat, BodyChunk, Ehlo, Mail, Noop, Rcpt, Rset, StartTls
from mailhaul.protocols.smtp.events import Answered, Reply
from mailhaul.protocols.smtp.server import SmtpServer
from tests.shown_lines import ShownLines


def ready(shown: list[bytes] | None = None) -> SmtpClient:
    tap = None if shown is None else ShownLines(lambda way, line: shown.append(line))
    client = SmtpClient(tap=tap)
    client.receive_data(b"220 mx\r\n")
    client.next_event()
    client.send(Ehlo(b"client"))
    client.receive_data(b"250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 STARTTLS\r\n")
    client.next_event()
    client.data_to_send()
    return client


def test_an_enhanced_status_is_three_numbers() -> None:
    assert Reply(550, (b"5.1.10 who?",), b"5.1.10").status == (5, 1, 10)
    assert Reply(550, (b"who?",)).status is None


def test_nothing_is_sent_to_a_server_that_has_closed() -> None:
    client = ready()
    client.receive_eof()
    with pytest.raises(LocalProtocolError, match="closed"):
        client.send(Noop())


@pytest.mark.parametrize("code", [421, 552])
def test_a_good_bye_inside_a_chunk_does_not_end_the_chunk(code: int) -> None:
    client = ready()
    for command in (Mail(b"a@x"), Rcpt(b"b@x"), Bdat(3), BodyChunk(b"ab")):
        client.send(command)
    client.receive_data(b"250 ok\r\n250 ok\r\n%d no\r\n" % code)
    answers = [client.next_event() for _ in range(3)]
    assert isinstance(answers[-1], Answered)
    assert client.next_event() is NEED_DATA
    client.send(BodyChunk(b"c"))
    client.send(Rset())
    assert b"".join(client.data_to_send()).endswith(b"abcRSET\r\n")


def test_a_good_bye_instead_of_a_handshake_is_the_answer() -> None:
    client = ready()
    client.send(StartTls())
    client.receive_data(b"421 later\r\n")
    answer = client.next_event()
    assert isinstance(answer, Answered)
    assert answer.reply.code == 421


def test_a_trace_shows_both_directions() -> None:
    shown: list[bytes] = []
    client = ready(shown)
    client.send(Noop())
    client.receive_data(b"250 fine\r\n")
    client.next_event()
    assert shown[-2:] == [b"NOOP", b"250 fine"]


def test_a_server_cannot_send_what_its_state_does_not_allow() -> None:
    server = SmtpServer()
    with pytest.raises(LocalProtocolError, match="not allowed"):
        server.tls_started()
