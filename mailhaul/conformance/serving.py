"""Servers with faults for the tests of other programs: a name in the dialogue chooses the fault.

POP3: the user, or a name after "+" in it. IMAP: the user or the mailbox. SMTP and LMTP: the local
part of the sender or of a recipient; there a fault ends with its transaction.
"""

from __future__ import annotations

import re
import ssl
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..servers.mailboxes import Mailbox, Mailboxes
from ..servers.smtp import MemorySink
from .client.messages import DOTS, EIGHT_BIT, ONE, THREE, TWO
from .client.playing import (
    IDLE_CAPABILITIES,
    Played,
    PlayedImap,
    PlayedPop3,
    PlayedSmtp,
)
from .connections import Connection, Note, no_note
from .listening import Listener, Session
from .server_faults import FaultTable, ServerFault, fault_tables
from .wire_faults import FaultyMachine, Rule

MESSAGES = (ONE, TWO, THREE, DOTS, EIGHT_BIT)
"""The mail of a server that was given none."""
RECIPIENT = re.compile(rb"(?:RCPT TO|MAIL FROM): ?<([^>]*)>", re.IGNORECASE)
NAMED = {
    "pop3": re.compile(rb"(?:USER|APOP) (\S+)", re.IGNORECASE),
    "imap": re.compile(rb'\S+ (?:LOGIN|SELECT|EXAMINE) (?:"([^"]*)"|(\S+))', re.IGNORECASE),
    "smtp": RECIPIENT,
    "lmtp": RECIPIENT,
}
"""Where a line has a name that may choose a fault."""


class EveryUser(Mapping[bytes, bytes]):
    """All names are users, with the same password."""

    def __init__(self, password: bytes) -> None:
        self._password = password

    def __getitem__(self, name: bytes) -> bytes:
        return self._password

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __len__(self) -> int:
        return 0


class ChoosingMachine(FaultyMachine):
    """A server machine whose rules are chosen by what the client says."""

    def __init__(
        self, machine: Any, always: Sequence[ServerFault], connection: Connection, table: FaultTable
    ) -> None:
        super().__init__(machine, (), connection)
        self._table = table
        self._chosen: list[str] = []
        for fault in always:
            self._choose(fault)
        self._base: list[Rule] = [*self.rules]

    def _use_command(self, line: bytes, early: bool) -> None:
        bare = line.rstrip(b"\r\n")
        if bare[:5].upper() == b"MAIL ":
            self.rules, self._chosen = [*self._base], []
        for name in self._names(bare):
            for fault in self._table.named(name):
                if fault.name not in self._chosen:
                    self._choose(fault)
                    self.connection.remark(f"fault: {fault.name}")
        super()._use_command(line, early)

    def _choose(self, fault: ServerFault) -> None:
        self._chosen.append(fault.name)
        self.rules += fault.rules()
        self.slices = fault.slices or self.slices

    def _names(self, line: bytes) -> Iterator[bytes]:
        if found := NAMED[self._table.protocol].match(line):
            yield next(name for name in found.groups() if name is not None)
        # The response of AUTH PLAIN, on a line of its own or as its last word.
        with suppress(ValueError):
            words = b64decode(line.rpartition(b" ")[2], validate=True).split(b"\0")
            if len(words) == 3:
                yield words[1]


@dataclass
class FaultyServer:
    """A server of one protocol on one address.

    ``faults`` are those that every session has. ``messages`` are in the mailbox of each session;
    with ``keeps`` all sessions share them, so that deleted mail is gone. ``tls`` is "clear",
    "starttls" or "implicit", with this ``context``. ``note`` is called with the dialogues.
    """

    protocol: str
    address: tuple[str, int] = ("127.0.0.1", 0)
    password: bytes = b"secret"
    faults: Sequence[str] = ()
    messages: Sequence[bytes] = MESSAGES
    keeps: bool = False
    tls: str = "clear"
    context: ssl.SSLContext | None = None
    note: Note = no_note
    received: MemorySink = field(default_factory=MemorySink)

    def __post_init__(self) -> None:
        self._table = fault_tables()[self.protocol]
        self._always = [self._table.faults[name] for name in self.faults]
        self._numbers = count(1)
        self._shared = Mailbox(self.messages)

    def listen(self) -> Listener:
        """Serve on the address, in threads, until the listener is closed."""
        return Listener(self._open_session, self.address)

    def _open_session(self) -> Session:
        played = self._played(self._shared if self.keeps else Mailbox(self.messages))
        played.users, played.tls = EveryUser(self.password), self.tls
        connection = Connection(next(self._numbers), self.protocol, self.note)
        machine = ChoosingMachine(played.machine(), self._always, connection, self._table)
        return played.session(machine, self.context)

    def _played(self, mailbox: Mailbox) -> Played:
        if self.protocol == "pop3":
            return PlayedPop3(mailbox=mailbox, without=())
        if self.protocol == "imap":
            # Each fault is the name of a mailbox, too.
            mailboxes = Mailboxes({b"INBOX": mailbox})
            for name in self._table.faults:
                mailboxes[name.encode("ascii")] = mailbox
            return PlayedImap(capabilities=IDLE_CAPABILITIES, mailbox=mailbox, others=mailboxes)
        extensions = {b"PIPELINING": b"", b"8BITMIME": b"", b"SIZE": b"", b"SMTPUTF8": b""}
        extensions |= {b"ENHANCEDSTATUSCODES": b""}
        return PlayedSmtp(
            extensions=extensions,
            lmtp=self.protocol == "lmtp",
            login=True,
            received=self.received,
        )
