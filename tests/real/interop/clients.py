"""The three clients on a wire, each with the one question that its tests ask all the time."""

from __future__ import annotations

import socket

from mailhaul.protocols.imap import commands as imap
from mailhaul.protocols.imap import events as imap_events
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.pop3 import commands as pop3
from mailhaul.protocols.pop3 import events as pop3_events
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.smtp import commands as smtp
from mailhaul.protocols.smtp import events as smtp_events
from mailhaul.protocols.smtp.client import SmtpClient
from tests.shown_lines import ShownLines

from .wire import Wire, said


class Pop3Wire(Wire[pop3.Command | pop3.Continuation, pop3_events.Event]):
    """A connection to a POP3 server."""

    def __init__(self, stream: socket.socket) -> None:
        self.client = Pop3Client(tap=ShownLines(said))
        super().__init__(self.client, stream)

    def ask(self, command: pop3.Command) -> tuple[list[pop3_events.Event], pop3_events.Completed]:
        """Send a command; return what came before its reply was over, and how it ended."""
        self.send(command)
        return self.answer()

    def answer(self) -> tuple[list[pop3_events.Event], pop3_events.Completed]:
        """Return the answer to the oldest command."""
        return self.until(pop3_events.Completed)


class ImapWire(Wire[imap.Command | imap.Continuation, imap_events.Event]):
    """A connection to an IMAP server."""

    def __init__(self, stream: socket.socket) -> None:
        self.client = ImapClient(tap=ShownLines(said))
        super().__init__(self.client, stream)

    def ask(self, command: imap.Command) -> tuple[list[imap_events.Event], imap_events.Completed]:
        """Send a command; return what came before its tagged reply, and that reply."""
        self.send(command)
        return self.answer()

    def answer(self) -> tuple[list[imap_events.Event], imap_events.Completed]:
        """Return what comes up to the next tagged reply, and that reply."""
        return self.until(imap_events.Completed)

    def told(self, command: imap.Command) -> list[imap_events.Event]:
        """Ask what has to succeed; return what came before the tagged reply."""
        told, done = self.ask(command)
        assert done.condition is imap_events.Condition.OK, done
        return told


class SmtpWire(Wire[smtp.Command | smtp.Continuation, smtp_events.Event]):
    """A connection to an SMTP or LMTP server."""

    def __init__(self, stream: socket.socket, *, lmtp: bool = False) -> None:
        self.client = SmtpClient(lmtp=lmtp, tap=ShownLines(said))
        super().__init__(self.client, stream)

    def ask(self, command: smtp.Command) -> smtp_events.Answered:
        """Send a command and return the answer."""
        self.send(command)
        return self.expect(smtp_events.Answered)

    def codes(self, count: int) -> list[int]:
        """Return the codes of the next replies."""
        return [self.expect(smtp_events.Answered).reply.code for _ in range(count)]
