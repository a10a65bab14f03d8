"""Exact limits of SMTP lines, and the exact lines of a trace."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded
from mailhaul.protocols.limits import DEFAULT_LIMITS, Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, encode_base64
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.command_lines import goes_along, parse_command
from mailhaul.protocols.smtp.commands import Bdat, Ehlo, Mail, Malformed, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer, redacted_line


def test_an_initial_response_is_sent_with_auth_up_to_512_octets() -> None:
    # AUTH, a blank, four letters, a blank, 500 octets of base64 and the line end are 512.
    assert goes_along(Authenticate(b"ABCD", Secret(b"x" * 375)))
    assert not goes_along(Authenticate(b"ABCDE", Secret(b"x" * 375)))
    assert not goes_along(Authenticate(b"LOGIN"))


def authenticating(command: Authenticate) -> SmtpClient:
    client = SmtpClient()
    client.receive_data(b"220 mx\r\n")
    client.next_event()
    client.send(Ehlo(b"a"))
    client.receive_data(b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n")
    client.next_event()
    client.send(command)
    client.data_to_send()
    return client


def test_the_initial_response_is_sent_once_and_a_second_challenge_is_returned() -> None:
    long = b"x" * 400
    client = authenticating(Authenticate(b"PLAIN", Secret(long)))
    client.receive_data(b"334 \r\n")
    client.next_event()
    assert b"".join(client.data_to_send()) == encode_base64(long) + b"\r\n"
    client.receive_data(b"334 bW9yZQ==\r\n")
    assert client.next_event() == Challenge(b"more")
    assert client.data_to_send() == []


def test_blanks_around_a_challenge_do_not_matter_and_anything_else_does() -> None:
    client = authenticating(Authenticate(b"LOGIN"))
    client.receive_data(b"334  bW9yZQ==  \r\n")
    assert client.next_event() == Challenge(b"more")
    client = authenticating(Authenticate(b"LOGIN"))
    client.receive_data(b"334 \tbW9yZQ==\r\n")
    assert client.next_event() is NEED_DATA
    assert client.data_to_send()[-1].endswith(b"*\r\n")


def test_a_response_has_its_own_limit() -> None:
    server = SmtpServer(extensions={b"AUTH": b"LOGIN"}, limits=Limits(command_line=20, sasl=40))
    server.send(Reply(220))
    server.receive_data(b"EHLO a\r\nAUTH LOGIN\r\n")
    server.next_event()
    server.send(Reply(250))
    server.next_event()
    server.send(Challenge(b""))
    server.receive_data(b"YWFh" * 10 + b"\r\n")
    server.next_event()
    server.send(Challenge(b""))
    server.receive_data(b"YWFh" * 10 + b"Y")
    with pytest.raises(LimitExceeded, match="40"):
        server.next_event()


@pytest.mark.parametrize(
    ("line", "trace"),
    [
        (b"AUTH PLAIN secret", b"AUTH PLAIN *"),
        (b"auth PLAIN secret and more", b"auth PLAIN *"),
        (b"AUTH LOGIN", b"AUTH LOGIN"),
        (b"AUTH", b"AUTH"),
        (b"MAIL FROM:<a@x> SIZE=3", b"MAIL FROM:<a@x> SIZE=3"),
    ],
)
def test_a_traced_command_is_redacted(line: bytes, trace: bytes) -> None:
    assert redacted_line(line) == trace


def test_binary_needs_both_extensions() -> None:
    line = b"MAIL FROM:<a@x> BODY=BINARYMIME"
    for missing in (b"CHUNKING", b"BINARYMIME"):
        extensions = {b"8BITMIME", b"CHUNKING", b"BINARYMIME"} - {missing}
        assert isinstance(parse_command(line, extensions, DEFAULT_LIMITS, lmtp=False), Malformed)
    whole = {b"8BITMIME", b"CHUNKING", b"BINARYMIME"}
    assert parse_command(line, whole, DEFAULT_LIMITS, lmtp=False) == Mail(
        b"a@x", body=b"BINARYMIME"
    )


@pytest.mark.parametrize("last", [b"", b" LAST"])
def test_a_size_has_as_many_digits_as_the_limit_says(last: bytes) -> None:
    limits = Limits(digits=3)
    heard = parse_command(b"BDAT 999" + last, {b"CHUNKING"}, limits, lmtp=False)
    assert heard == Bdat(999, bool(last))
    for size in (b"1000", b"9x", b"x"):
        line = b"BDAT " + size + last
        assert isinstance(parse_command(line, {b"CHUNKING"}, limits, lmtp=False), Malformed)


def test_all_values_of_notify_except_never_may_be_combined() -> None:
    line = b"RCPT TO:<a@x> NOTIFY=SUCCESS,FAILURE,DELAY"
    assert parse_command(line, {b"DSN"}, DEFAULT_LIMITS, lmtp=False) == Rcpt(
        b"a@x", (b"SUCCESS", b"FAILURE", b"DELAY")
    )
