"""What an IMAP mailbox holds, and what each session knows of it (RFC 3501, sections 2.3 and 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ...protocols.imap.values import Atom, Value
from ..imap.responses import Answer, Response, octets_of
from ..verdicts import fail, require

FLAGS = (rb"\Seen", rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Draft")


@dataclass(eq=False)
class Mail:
    """One message. ``name`` is its Message-ID; ``uid`` is 0 until a server has told it."""

    name: bytes
    flags: set[bytes]
    uid: int = 0


@dataclass
class Box:
    """A mailbox as it must be: its messages in the order of their UIDs."""

    name: bytes
    mail: list[Mail] = field(default_factory=list[Mail])
    largest_uid: int = 0

    def expunge(self, which: Iterable[Mail]) -> None:
        """Remove messages."""
        gone = set(which)
        self.mail = [mail for mail in self.mail if mail not in gone]

    def learn_uid(self, mail: Mail, uid: int) -> None:
        """Compare a UID with the one that is known. Raises Broken."""
        if mail.uid:
            require(uid == mail.uid, f"the UID of a message to stay {mail.uid}", uid)
            return
        place = self.mail.index(mail) if mail in self.mail else -1
        before = [other.uid for other in self.mail[: max(place, 0)] if other.uid]
        require(uid > max(before, default=0), "UIDs that ascend in the mailbox", uid)
        others = [other.uid for other in self.mail if other is not mail]
        require(uid not in others, "a UID that no other message has", uid)
        mail.uid = uid
        self.largest_uid = max(self.largest_uid, uid)


class View:
    """The mailbox as one session knows it: its messages by number, some perhaps expunged since.

    A server announces new messages by EXISTS and expunged ones by EXPUNGE; until then the numbers
    of the session do not change (RFC 3501, section 7.4.1).
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self.mail: list[Mail] = list(box.mail)

    def hear(self, answer: Answer, *, may_expunge: bool) -> None:
        """Take the untagged responses of an answer into account. Raises Broken."""
        for response in answer.untagged:
            match response.name:
                case b"EXPUNGE":
                    require(may_expunge, "no EXPUNGE during FETCH, STORE and SEARCH", response.line)
                    self._expunge(response)
                case b"EXISTS":
                    self._exists(response)
                case b"FETCH":
                    self._fetched(response)
                case _:
                    pass

    def _expunge(self, response: Response) -> None:
        number = response.number or 0
        expected = f"EXPUNGE with a number from 1 to {len(self.mail)}"
        require(1 <= number <= len(self.mail), expected, response.line)
        gone = self.mail.pop(number - 1)
        require(gone not in self.box.mail, "EXPUNGE only of expunged messages", response.line)

    def _exists(self, response: Response) -> None:
        count = response.number or 0
        known = set(self.mail)
        new = [mail for mail in self.box.mail if mail not in known]
        most = len(self.mail) + len(new)
        expected = f"EXISTS with a number from {len(self.mail)} to {most}"
        require(len(self.mail) <= count <= most, expected, response.line)
        self.mail += new[: count - len(self.mail)]

    def _fetched(self, response: Response) -> None:
        number = response.number or 0
        expected = f"FETCH with a number from 1 to {len(self.mail)}"
        require(1 <= number <= len(self.mail), expected, response.line)
        mail, items = self.mail[number - 1], response.items
        if b"UID" in items:
            self.box.learn_uid(mail, number_of(items[b"UID"]))
        if b"FLAGS" in items and mail in self.box.mail:
            flags = flags_of(items[b"FLAGS"])
            expected = f"the flags {shown(mail.flags)} of message {number}"
            require(flags == mail.flags, expected, shown(flags))

    def check_is_whole(self) -> None:
        """Require that the session knows what the mailbox holds now. Raises Broken."""
        names = [mail.name for mail in self.box.mail]
        known = [mail.name for mail in self.mail]
        require(known == names, f"the session to know the messages {names}", known)

    def existing(self) -> list[int]:
        """Return the numbers of the messages that are not expunged."""
        present = set(self.box.mail)
        return [number for number, mail in enumerate(self.mail, 1) if mail in present]


def flags_of(value: Value) -> set[bytes]:
    r"""Return the system flags of a list, in their usual spelling, without ``\Recent``."""
    if not isinstance(value, list):
        fail("a list of flags", repr(value))
    usual = {flag.lower(): flag for flag in FLAGS}
    words = {bytes(word).lower() for word in value if isinstance(word, Atom)}
    return {usual[word] for word in words if word in usual}


def number_of(value: Value) -> int:
    """Return a number. Raises Broken."""
    octets = octets_of(value)
    require(octets.isdigit(), "a number", octets)
    return int(octets)


def shown(flags: Iterable[bytes]) -> str:
    """Return flags for a message."""
    return "(" + " ".join(sorted(flag.decode("ascii") for flag in flags)) + ")"
