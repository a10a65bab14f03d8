"""Missing and extra replies: a reply that cannot belong to its command is an error."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import (
    Bdat,
    BodyChunk,
    Command,
    Data,
    Ehlo,
    EndOfData,
    Etrn,
    Helo,
    Mail,
    Noop,
    Rcpt,
    Rset,
    StartTls,
)
from mailhaul.protocols.smtp.events import Answered, Event, SaidGoodbye
from mailhaul.protocols.smtp.replies import OutOfStep
from mailhaul.protocols.smtp.reply_codes import fits

EHLO = b"250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-STARTTLS\r\n250 BINARYMIME\r\n"


def hear(client: SmtpClient, data: bytes) -> list[Event]:
    client.receive_data(data)
    events: list[Event] = []
    while not isinstance(event := client.next_event(), NeedData):
        events.append(event)
    return events


def introduced(lmtp: bool = False) -> SmtpClient:
    client = SmtpClient(lmtp)
    hear(client, b"220 mx\r\n")
    client.send(Ehlo(b"client"))
    hear(client, EHLO)
    client.data_to_send()
    return client


def in_text(client: SmtpClient, *recipients: bytes) -> SmtpClient:
    client.send(Mail(b"a@x"))
    for recipient in recipients:
        client.send(Rcpt(recipient))
    client.send(Data())
    hear(client, b"250 ok\r\n" * (1 + len(recipients)) + b"354 go\r\n")
    return client


ALL = (200, 211, 214, 220, 221, 235, 250, 251, 252, 299, 334, 354, 399, 199)
ABOUT_MAIL = {200, 250, 251, 252, 299}
COMMANDS: dict[Command, set[int]] = {
    Ehlo(b"x"): ABOUT_MAIL,
    Helo(b"x"): ABOUT_MAIL,
    Mail(b"a@x"): ABOUT_MAIL,
    Rcpt(b"a@x"): ABOUT_MAIL,
    Data(): {354},
    EndOfData(): ABOUT_MAIL,
    Bdat(1, last=True): ABOUT_MAIL,
    Bdat(1): ABOUT_MAIL,
    Rset(): ABOUT_MAIL,
    Noop(): ABOUT_MAIL,
    Etrn(b"x"): ABOUT_MAIL,
    StartTls(): {220},
}
"""What may come in reply to each command, of codes that are no refusal."""


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_code_of_another_command_never_fits(command: Command) -> None:
    assert {code for code in ALL if fits(command, code)} == COMMANDS[command]
    assert all(fits(command, code) for code in (400, 421, 450, 500, 502, 554, 599))


@pytest.mark.parametrize("command", [Mail(b"a@x"), StartTls(), Noop(), Rset()])
@pytest.mark.parametrize("code", [220, 221, 235, 354])
def test_a_reply_of_another_command_is_a_fault(command: Command, code: int) -> None:
    client = introduced()
    client.send(command)
    if fits(command, code):
        return
    with pytest.raises(OutOfStep, match="out of step"):
        hear(client, b"%d ok\r\n" % code)
    assert client.state == "error"


@pytest.mark.parametrize("what", [b"250 SIZE\r\n", b"250 SI", b"2"])
def test_nothing_is_sent_while_unsolicited_data_is_unread(what: bytes) -> None:
    client = SmtpClient()
    hear(client, b"220 mx\r\n")
    client.send(Ehlo(b"client"))
    client.receive_data(b"250 mx\r\n" + what)
    assert isinstance(client.next_event(), Answered)
    with pytest.raises(LocalProtocolError, match="unsolicited data"):
        client.send(Mail(b"a@x"))
    assert client.data_to_send() == [b"EHLO client\r\n"]


def test_a_goodbye_that_is_there_is_heard_before_the_next_command() -> None:
    client = introduced()
    client.receive_data(b"421 4.3.2 closing\r\n")
    with pytest.raises(LocalProtocolError, match="unsolicited data"):
        client.send(Mail(b"a@x"))
    assert isinstance(client.next_event(), SaidGoodbye)


@pytest.mark.parametrize("command", [Mail(b"b@x"), Rset(), Noop()])
def test_nothing_follows_a_text_that_gets_several_answers(command: Command) -> None:
    client = in_text(introduced(lmtp=True), b"ann@x", b"bob@x")
    client.send(EndOfData())
    with pytest.raises(LocalProtocolError, match="replies to the text"):
        client.send(command)
    hear(client, b"250 ok\r\n250 ok\r\n")
    client.send(command)


@pytest.mark.parametrize("lmtp", [False, True])
def test_only_rset_follows_the_last_chunk_and_in_lmtp_nothing(lmtp: bool) -> None:
    client = introduced(lmtp)
    client.send(Mail(b"a@x"))
    client.send(Rcpt(b"b@x"))
    hear(client, b"250 ok\r\n" * 2)
    client.send(Bdat(1, last=True))
    client.send(BodyChunk(b"x"))
    with pytest.raises(LocalProtocolError, match="replies to the text"):
        client.send(Mail(b"b@x"))
    if lmtp:
        with pytest.raises(LocalProtocolError, match="replies to the text"):
            client.send(Rset())
        return
    client.send(Rset())
    with pytest.raises(LocalProtocolError, match="replies to the text"):
        client.send(Mail(b"b@x"))
    hear(client, b"250 ok\r\n")
    client.send(Mail(b"b@x"))


def test_after_a_fault_nothing_more_is_kept() -> None:
    client = introduced()
    with pytest.raises(OutOfStep):
        hear(client, b"250 what?\r\n" * 10_000)
    for _ in range(3):
        client.receive_data(b"250 and more\r\n" * 10_000)
        assert len(client._input) == 0
    with pytest.raises(RemoteProtocolError):
        client.next_event()
