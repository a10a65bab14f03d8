"""The short cuts for usual replies and addresses give the same results as the parsers."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.input import InputBuffer
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.smtp import client as smtp_client
from mailhaul.protocols.smtp import command_lines, replies
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Data, Ehlo, Mail, Rcpt
from mailhaul.protocols.smtp.events import Answered
from mailhaul.protocols.smtp.replies import ReplyReader

NOTHING = re.compile(rb"(?!)")
PIECES = st.sampled_from(
    [
        *(b"250", b"550", b"354", b"199", b"600", b"25", b"2500", b" ", b"-", b"2.0.0", b"5.7.1"),
        *(b"4.0.1000", b"3.1.1", b"2.0", b"2..0", b"2.0.0.0", b"ok", b"\xe9", b"\r", b"\0", b"  "),
    ]
)
LINES = st.one_of(
    st.lists(PIECES, max_size=6).map(b"".join),
    st.tuples(PIECES, st.binary(max_size=10)).map(b" ".join),
)
REPLIES = st.lists(st.builds(bytes.__add__, LINES, st.sampled_from([b"\r\n", b"\n"])), max_size=5)


def read(data: bytes, limits: Limits) -> list[Any]:
    """Return all replies, and the error."""
    reader = ReplyReader(InputBuffer(), limits)
    reader.input.append(data)
    found: list[Any] = []
    try:
        while (reply := reader.read()) is not None:
            found.append(reply)
    except RemoteProtocolError as error:
        found.append(str(error))
    return found


@given(REPLIES.map(b"".join), st.sampled_from([Limits(), Limits(reply_line=12, reply_lines=2)]))
@example(
    b"250 2.0.0\r\n250 2.0.0 ok\r\n250 2.0.0.0 x\r\n250-a\r\n250 b\r\n250\r\n250 \r\n", Limits()
)
def test_the_short_cut_and_the_parser_of_replies_agree(data: bytes, limits: Limits) -> None:
    short = read(data, limits)
    with patch.object(replies, "SINGLE_LINE", NOTHING):
        assert read(data, limits) == short


def checked(address: bytes) -> bytes | str:
    try:
        return command_lines.encode_command(Rcpt(address), (), lmtp=False)
    except LocalProtocolError as error:
        return str(error)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([b"a", b"@", b".", b'"', b"\\", b" ", b"<"]), st.binary(max_size=3)
        ),
        max_size=6,
    ).map(b"".join)
)
def test_the_short_cut_and_the_check_of_addresses_agree(address: bytes) -> None:
    short = checked(address)
    with patch.object(command_lines, "_PLAIN_ADDRESS", NOTHING):
        assert checked(address) == short


def ready() -> SmtpClient:
    client = SmtpClient()
    client.receive_data(b"220 mx\r\n")
    client.next_event()
    client.send(Ehlo(b"client.example.net"))
    client.receive_data(b"250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n")
    assert isinstance(client.next_event(), Answered)
    client.data_to_send()
    return client


ENVELOPE = (Mail(b"ann@example.org", 7), Rcpt(b"bob@example.net"), Data())
LINE = b"MAIL FROM:<ann@example.org> SIZE=7\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"


def test_a_checked_envelope_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client = ready()
    client.check(ENVELOPE)
    monkeypatch.setattr(smtp_client, "encode_command", None)
    for command in ENVELOPE:
        client.send(command)
    assert client.data_to_send() == [LINE]


def test_an_envelope_that_cannot_be_sent_is_refused_before_its_first_command() -> None:
    client = ready()
    with pytest.raises(LocalProtocolError, match="control character"):
        client.check([*ENVELOPE, Rcpt(b"bob\n@example.net")])
    assert (client.data_to_send(), client.outstanding) == ([], ())
    for command in ENVELOPE:
        client.send(command)
    assert client.data_to_send() == [LINE]


def test_a_check_counts_only_for_the_extensions_announced_at_the_time() -> None:
    client = ready()
    client.check(ENVELOPE)
    client.send(Ehlo(b"client.example.net"))
    client.receive_data(b"250 mx\r\n")
    while client.next_event() is not NEED_DATA:
        pass
    client.data_to_send()
    client.send(ENVELOPE[0])
    assert client.data_to_send() == [b"MAIL FROM:<ann@example.org>\r\n"]
