"""An envelope sent in one group gives the same lines and events as one sent command by command."""

from __future__ import annotations

import re
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, Tap
from mailhaul.protocols.smtp import client_states as states
from mailhaul.protocols.smtp import replies
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import BodyChunk, Data, Ehlo, EndOfData, Mail, Rcpt, Rset
from mailhaul.protocols.smtp.events import Answered, Reply

NOTHING = re.compile(rb"(?!)")
MAIL, DATA = Mail(b"ann@example.org", 7), Data()
BOB, EVE = Rcpt(b"bob@example.net"), Rcpt(b"eve@example.net")
LINES = st.sampled_from(
    [
        *(b"250 ok\r\n", b"250 2.1.5 ok\r\n", b"354 go\r\n", b"550 5.1.1 no\r\n", b"451 later\r\n"),
        *(
            b"250-a\r\n250 b\r\n",
            b"250 ok\n",
            b"250\r\n",
            b"421 bye\r\n",
            b"250 \r x\r\n",
            b"x\r\n",
        ),
        b"250 " + b"long " * 200 + b"\r\n",
    ]
)
ANSWERS = st.one_of(
    st.lists(LINES, max_size=8),
    st.just([b"250 2.0.0 taken\r\n", b"250 reset\r\n"] + [b"250 ok\r\n"] * 3 + [b"354 go\r\n"]),
)


def ready(
    *, pipelining: bool = True, lmtp: bool = False, limits: Limits | None = None
) -> SmtpClient:
    client = SmtpClient(lmtp, limits or Limits())
    client.receive_data(b"220 mx\r\n")
    client.next_event()
    client.send(Ehlo(b"client.example.net"))
    client.receive_data(
        b"250-mx\r\n%b250 SIZE\r\n" % (b"250-PIPELINING\r\n" if pipelining else b"")
    )
    assert isinstance(client.next_event(), Answered)
    client.data_to_send()
    return client


def events(client: SmtpClient) -> list[Any]:
    """Return all events, the error, and what the client is left with."""
    found: list[Any] = []
    try:
        while (event := client.next_event()) is not NEED_DATA:
            found.append(event)
    except RemoteProtocolError as error:
        found.append(str(error))
    return [*found, client.state, client.outstanding, client.data_to_send()]


def after_a_message(*, group: bool) -> SmtpClient:
    """Return a client that has sent a message and the envelope of the next one."""
    client = ready()
    for command in (MAIL, BOB, DATA):
        client.send(command)
    client.receive_data(b"250 ok\r\n250 ok\r\n354 go\r\n")
    events(client)
    client.send(BodyChunk(b"hello\r\n"))
    if group:
        client.send_end()
        client.send_group(MAIL, [BOB, EVE], DATA)
    else:
        client.send(EndOfData())
        client.send(Rset())
        for command in (MAIL, BOB, EVE, DATA):
            client.send(command)
    return client


def in_text(*, pipelining: bool = True, lmtp: bool = False) -> SmtpClient:
    """Return a client that sends the text of a message for two recipients."""
    client = ready(pipelining=pipelining, lmtp=lmtp)
    for command, answer in ((MAIL, b"250"), (BOB, b"250"), (EVE, b"250"), (DATA, b"354")):
        client.send(command)
        client.receive_data(answer + b" ok\r\n")
        events(client)
    return client


@given(ANSWERS, st.integers(0, 200))
def test_a_group_and_single_commands_lead_to_the_same_events(
    answers: list[bytes], cut: int
) -> None:
    data = b"".join(answers)
    seen: list[Any] = []
    for group in (True, False):
        client = after_a_message(group=group)
        sent = client.data_to_send()
        client.receive_data(data[:cut])
        first = events(client)
        client.receive_data(data[cut:])
        seen.append((sent, first, events(client)))
    assert seen[0] == seen[1]


@given(ANSWERS)
def test_the_short_cut_and_the_parser_of_replies_to_a_group_agree(answers: list[bytes]) -> None:
    short = after_a_message(group=True)
    short.receive_data(b"".join(answers))
    found = events(short)
    names = "mailhaul.protocols.smtp.client.USUAL_GROUP", "mailhaul.protocols.smtp.client.USUAL_END"
    with patch(names[0], NOTHING), patch(names[1], NOTHING):
        client = after_a_message(group=True)
        client.receive_data(b"".join(answers))
        assert events(client) == found


def test_the_usual_replies_are_read_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    client = ready()
    client.send_group(MAIL, [BOB, EVE], DATA)
    client.receive_data(b"250 2.1.0 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    monkeypatch.setattr(replies.ReplyReader, "read", None)
    first = client.next_event()
    assert isinstance(first, Answered)
    assert (first.command, first.reply.enhanced, first.accepts) == (MAIL, b"2.1.0", False)
    assert client.state is states.body


def test_the_usual_replies_to_the_end_are_read_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    client = in_text()
    client.send_end()
    assert client.data_to_send() == [b".\r\nRSET\r\n"]
    client.receive_data(b"250 2.0.0 taken\r\n250 reset\r\n")
    monkeypatch.setattr(replies.ReplyReader, "read", None)
    found = client.next_event(), client.next_event()
    assert found == (
        Answered(EndOfData(), Reply(250, (b"2.0.0 taken",), b"2.0.0"), None, True),
        Answered(Rset(), Reply(250, (b"reset",))),
    )
    assert (client.state, client.outstanding) == (states.ready, ())


def test_the_end_is_sent_only_where_it_is_allowed() -> None:
    with pytest.raises(LocalProtocolError, match="not allowed in state ready"):
        ready().send_end()
    with pytest.raises(LocalProtocolError, match="PIPELINING"):
        in_text(pipelining=False).send_end()
    client = in_text(lmtp=True)
    with pytest.raises(LocalProtocolError, match="must wait"):
        client.send_end()
    assert (client.data_to_send(), client.state) == ([], states.body)


@pytest.mark.parametrize(
    ("recipients", "mail", "why"),
    [
        ([], MAIL, "no recipient"),
        ([Rcpt(b"b\nb@example.net")], MAIL, "control character"),
        ([Rcpt("bøb@example.net".encode())], MAIL, "SMTPUTF8"),
        ([BOB], Mail(b"ann@example.org", 7, b"BINARYMIME"), "BINARYMIME"),
        ([BOB, EVE, BOB], MAIL, "too many"),
    ],
)
def test_a_group_is_sent_whole_or_not_at_all(recipients: list[Rcpt], mail: Mail, why: str) -> None:
    client = ready(limits=Limits(outstanding=4))
    with pytest.raises(LocalProtocolError, match=why):
        client.send_group(mail, recipients, DATA)
    assert (client.data_to_send(), client.outstanding, client.state) == ([], (), states.ready)


def test_a_group_needs_pipelining_and_its_turn() -> None:
    with pytest.raises(LocalProtocolError, match="PIPELINING"):
        ready(pipelining=False).send_group(MAIL, [BOB], DATA)
    client = ready()
    client.send_group(MAIL, [BOB], DATA)
    with pytest.raises(LocalProtocolError, match="must wait for the reply to DATA"):
        client.send_group(MAIL, [BOB], DATA)
    assert client.outstanding == (MAIL, BOB, DATA)


def test_a_tap_sees_each_command_and_each_reply_of_a_group() -> None:
    class Log(Tap):
        def __init__(self) -> None:
            self.lines: list[bytes] = []
            self.commands: list[object] = []

        def line(self, direction: str, line: bytes) -> None:
            self.lines.append(direction.encode() + line)

        def said(self, command: object) -> None:
            self.commands.append(command)

    client, log = ready(), Log()
    client.tap = log
    client.send_group(MAIL, [BOB], DATA)
    client.receive_data(b"250 a\r\n250 b\r\n354 c\r\n")
    events(client)
    assert log.commands == [MAIL, BOB, DATA]
    assert log.lines[1:] == [
        b">RCPT TO:<bob@example.net>",
        b">DATA",
        b"<250 a",
        b"<250 b",
        b"<354 c",
    ]
