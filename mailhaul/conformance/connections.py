"""What a client did on one connection to a server of ours: its lines, its texts, how it ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .transcript import CLIENT, REMARK, SERVER

Note = Callable[[int, str, bytes], None]
"""Called with the number of a connection, "C", "S" or "*", and octets."""


def no_note(number: int, who: str, octets: bytes) -> None:
    """Keep no transcript."""


@dataclass(frozen=True)
class Line:
    """A line of the client that is no message text, without its line end.

    ``early`` says that it came before the answer to an earlier line had been sent. ``response``
    says that it answers a challenge or a continuation request of the server.
    """

    octets: bytes
    early: bool = False
    tls: bool = False
    response: bool = False

    @property
    def words(self) -> list[bytes]:
        """The words of the line."""
        return self.octets.split(b" ")

    @property
    def verb(self) -> bytes:
        """The first word in upper case: the command of POP3 and SMTP."""
        return self.words[0].upper()

    @property
    def imap(self) -> bytes:
        """The command of IMAP in upper case, which follows the tag: ``UID FETCH``."""
        verb, *rest = [word.upper() for word in self.words[1:]] or [b""]
        return b"UID " + rest[0] if verb == b"UID" and rest else verb


@dataclass
class Connection:
    """One connection of a client.

    ``texts`` are the message texts as they came, dots and all; ``early_texts`` says of each whether
    it began before the answer to its command had been sent. ``raw`` is all that came.
    ``left_early`` says that the client closed while a reply was due to it. ``handshake`` is empty
    as long as TLS was not tried, then "done" or the reason of a failure. ``injected`` are lines
    that came in the clear after STARTTLS. ``fault`` is a fault of the harness.
    """

    number: int
    protocol: str
    note: Note = no_note
    lines: list[Line] = field(default_factory=list[Line])
    texts: list[bytearray] = field(default_factory=list[bytearray])
    early_texts: list[bool] = field(default_factory=list[bool])
    raw: bytearray = field(default_factory=bytearray)
    injected: list[bytes] = field(default_factory=list[bytes])
    tls: bool = False
    closed_by_client: bool = False
    left_early: bool = False
    handshake: str = ""
    fault: str = ""
    _shown: int = 0

    @property
    def commands(self) -> list[Line]:
        """The lines that are commands."""
        return [line for line in self.lines if not line.response]

    @property
    def verbs(self) -> list[bytes]:
        """The commands of POP3, SMTP or LMTP by name."""
        return [line.verb for line in self.commands]

    @property
    def imap_commands(self) -> list[bytes]:
        """The commands of IMAP by name."""
        return [line.imap for line in self.commands]

    def note_input(self) -> None:
        """Add what the client has sent since the last time to the transcript."""
        if len(self.raw) > self._shown:
            self.note(self.number, CLIENT, bytes(self.raw[self._shown :]))
            self._shown = len(self.raw)

    def note_output(self, octets: bytes) -> None:
        """Add what is sent to the client to the transcript."""
        self.note_input()
        self.note(self.number, SERVER, octets)

    def remark(self, text: str) -> None:
        """Add a remark to the transcript."""
        self.note_input()
        self.note(self.number, REMARK, text.encode())
