"""An authentication on the wire is the same in all protocols."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.sasl.client_exchange import ClientExchange
from mailhaul.protocols.sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
)
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Ehlo
from tests.shown_lines import ShownLines

YES = Respond(Secret(b"yes"))


def imap() -> tuple[Any, bytes]:
    client = ImapClient()
    client.receive_data(b"* OK ready\r\n")
    client.next_event()
    return client, b"+ %b\r\n"


def pop3() -> tuple[Any, bytes]:
    client = Pop3Client()
    client.receive_data(b"+OK ready\r\n")
    client.next_event()
    return client, b"+ %b\r\n"


def smtp() -> tuple[Any, bytes]:
    client = SmtpClient()
    client.receive_data(b"220 ready\r\n")
    client.next_event()
    client.send(Ehlo(b"me"))
    client.receive_data(b"250-mx\r\n250 AUTH LOGIN\r\n")
    client.next_event()
    client.data_to_send()
    return client, b"334 %b\r\n"


@pytest.mark.parametrize("begin", [imap, pop3, smtp])
@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([], "before the last one was answered"),
        ([CancelAuthentication()], "was cancelled"),
    ],
)
def test_a_challenge_out_of_turn_is_a_fault(begin: Any, answers: list[Any], words: str) -> None:
    client, form = begin()
    client.send(Authenticate(b"LOGIN"))
    client.receive_data(form % b"eA==")
    assert client.next_event() == Challenge(b"x")
    for answer in answers:
        client.send(answer)
    client.receive_data(form % b"eA==")
    with pytest.raises(RemoteProtocolError, match=words):
        client.next_event()


@pytest.mark.parametrize("begin", [imap, pop3, smtp])
def test_the_initial_response_that_was_kept_is_shown_to_no_tap(begin: Any) -> None:
    client, form = begin()
    shown: list[bytes] = []
    client.tap = ShownLines(lambda way, line: shown.append(line))
    client.send(Authenticate(b"X" * 600, Secret(b"sesame")))
    client.data_to_send()
    client.receive_data(form % b"")
    assert client.next_event() is NEED_DATA
    assert b"".join(client.data_to_send()) == b"c2VzYW1l\r\n"
    assert shown[-1] == b"*"


def test_a_challenge_is_answered_once() -> None:
    exchange = ClientExchange()
    with pytest.raises(LocalProtocolError, match="no challenge"):
        exchange.respond(YES)
    assert exchange.challenge(b" eA== ") == Challenge(b"x")
    assert exchange.respond(YES) == b"eWVz"
    with pytest.raises(LocalProtocolError, match="no challenge"):
        exchange.respond(CancelAuthentication())


def test_a_response_that_is_not_base64_ends_the_exchange() -> None:
    exchange = ClientExchange()
    assert exchange.challenge(b"PLAIN supported") == b"*"
    assert exchange.cancelled
