"""A machine that does not parse its input again until something new comes returns the same events.

The other machine of each pair always parses its input.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import ProtocolError
from mailhaul.protocols.imap import commands as imap
from mailhaul.protocols.imap import events as imap_events
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3 import commands as pop3
from mailhaul.protocols.pop3 import events as pop3_events
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp import commands as smtp
from mailhaul.protocols.smtp import events as smtp_events
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.server import SmtpServer

OK = imap_events.Condition.OK
PIPELINING = b"250-a\r\n250 PIPELINING\r\n"
PARTS: dict[Any, list[Any]] = {
    ImapClient: [
        *(imap.Select(b"a"), imap.UidFetch(b"1", b"BODY[]"), imap.Append(b"a", 1), imap.Idle()),
        *(imap.AppendChunk(b"x"), imap.Done(), imap.Logout(), imap.StartTls(), imap.Noop()),
        *(b"* PREAUTH hi\r\n", b"* 1 FETCH (UID 1)\r\n", b"* 1 FETCH (BODY[] {1}\r\nx", b")\r\n"),
        *(b"A0001 OK\r\n", b"A0002 OK\r\n", b"A0003 OK\r\n", b"+ go\r\n", b"* OK", b"\r\n", b"\r"),
        *(b"* OK hi\r\n", b"* PREAUTH [CAPABILITY LITERAL+] hi\r\n", b"* BYE\r\n"),
    ],
    Pop3Client: [
        *(pop3.Capa(), pop3.Retrieve(1), pop3.Uidl(), pop3.Quit(), pop3.Stat(), pop3.StartTls()),
        *(b"+OK hi\r\n", b"+OK 1 2\r\n", b"-ERR\r\n", b"PIPELINING\r\n.\r\n", b"1 a\r\n", b".\r\n"),
        *(b"\r\n", b"\r", b"\n", b"text\r\n.\r\n", b"+OK\r\nPIPELINING\r\n.\r\n"),
    ],
    SmtpClient: [
        *(smtp.Ehlo(b"a"), smtp.Mail(b"a@b"), smtp.Rcpt(b"c@d"), smtp.Data(), smtp.Rset()),
        *(smtp.BodyChunk(b"x"), smtp.EndOfData(), smtp.Bdat(1, True), smtp.Quit(), smtp.StartTls()),
        *(
            b"220 hi\r\n",
            b"250-a\r\n250 PIPELINING\r\n",
            b"250 ok\r\n",
            b"354 go\r\n",
            b"421 x\r\n",
        ),
        *(b"250-a\r\n250-PIPELINING\r\n250 CHUNKING\r\n", b"550 no\r\n", b"2", b"50 ok\r\n"),
    ],
    ImapServer: [
        *(imap_events.Greeted(True), imap_events.Completed(imap.Noop(), OK), imap_events.Exists(1)),
        *(b"a NOOP\r\n", b"b SELECT x\r\n", b"c APPEND x {1+}\r\n", b"x\r\n", b"d IDLE\r\n"),
        *(b"DONE\r\n", b"e LOGOUT\r\n", b"f STARTTLS\r\n", b"g N", b"OOP\r\n"),
    ],
    Pop3Server: [
        *(pop3_events.Greeted(), pop3_events.Completed(pop3.Capa(), False)),
        *(pop3_events.Completed(pop3.Quit(), True), b"CAPA\r\n", b"QUIT\r\n", b"ST", b"LS\r\n"),
    ],
    SmtpServer: [
        *(smtp_events.Reply(220), smtp_events.Reply(250), smtp_events.Reply(354), b"EHLO a\r\n"),
        *(b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\nDATA\r\n", b"x\r\n.\r\n", b"QUIT\r\n", b"RS"),
    ],
}
START: dict[Any, list[Any]] = {
    ImapClient: [b"* PREAUTH [CAPABILITY LITERAL+] hi\r\n", "next", "next"],
    Pop3Client: [b"+OK hi\r\n", "next", "authenticated"],
    SmtpClient: [b"220 hi\r\n", "next", smtp.Ehlo(b"a"), PIPELINING, "next"],
    ImapServer: [imap_events.Greeted(True)],
    Pop3Server: [pop3_events.Greeted()],
    SmtpServer: [smtp_events.Reply(220)],
}


class Run:
    """One machine, and what it has returned and raised."""

    def __init__(self, kind: Any, *, always_parses: bool) -> None:
        self.machine = kind()
        self.heard: list[str] = []
        self.always_parses = always_parses

    def do(self, part: Any) -> None:
        machine = self.machine
        if isinstance(part, bytes):
            machine.receive_data(part)
        elif part == "eof":
            machine.receive_eof()
        elif part == "authenticated":
            machine.assume_authenticated()
        elif part == "tls":
            self.attempt(machine.tls_started)
        elif part == "next":
            self.attempt(self.next_event)
        else:
            self.attempt(lambda: machine.send(part))
        self.heard.append(repr(machine.data_to_send()))

    def next_event(self) -> Any:
        if self.always_parses:
            self.machine._drained = False
        return self.machine.next_event()

    def attempt(self, step: Any) -> None:
        try:
            self.heard.append(repr(step()))
        except ProtocolError as error:
            self.heard.append(repr(error))


@pytest.mark.parametrize("kind", PARTS)
def test_a_machine_may_wait_for_something_new(kind: Any) -> None:
    @given(st.lists(st.sampled_from([*PARTS[kind], *["next"] * 12, "tls", "eof"]), max_size=25))
    def compare(parts: list[Any]) -> None:
        runs = [Run(kind, always_parses=always) for always in (False, True)]
        for run in runs:
            for part in [*START[kind], *parts, *["next"] * 6]:
                run.do(part)
        assert runs[0].heard == runs[1].heard

    compare()


def test_the_parts_of_a_client_make_a_conversation() -> None:
    run = Run(SmtpClient, always_parses=False)
    for part in [b"220 hi\r\n", "next", smtp.Ehlo(b"a"), b"250 a\r\n", "next", "next"]:
        run.do(part)
    assert run.heard[-2:] == [repr(NEED_DATA), "[]"]
