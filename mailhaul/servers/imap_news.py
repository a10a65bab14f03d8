"""What one session is told of mailboxes that are not open there, once it asked for that (NOTIFY).

RFC 5465. The mailbox that is open is told of as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..protocols.imap.commands import EventGroup, Notify
from ..protocols.imap.events import Code, Condition, Event, MailboxStatus, Status
from .imap_queries import Refused
from .mailboxes import DELIMITER, Mailbox, Mailboxes, canonical_name

EVENTS = b"(MessageNew MessageExpunge)"
TOLD = frozenset(EVENTS[1:-1].upper().split())
"""What is told of: new messages, and those that are gone."""


class MailboxNews:
    """Remembers what the session was told of each mailbox; ``say`` takes what is new."""

    def __init__(self, mailboxes: Mailboxes, say: Callable[[Event], None]) -> None:
        self._mailboxes = mailboxes
        self._say = say
        self._groups: tuple[EventGroup, ...] = ()
        self._told: dict[bytes, MailboxStatus] = {}

    @property
    def wanted(self) -> bool:
        """Whether the client wants to be told without asking."""
        return bool(self._groups)

    @property
    def removals_too(self) -> bool:
        """Whether removals from the open mailbox may be told at any time (section 6.1)."""
        return any(group.which == b"SELECTED" for group in self._groups)

    def choose(self, command: Notify, opened: Mailbox | None) -> None:
        """Tell these news from now on. Raises Refused."""
        for group in command.groups:
            if {event.upper() for event in group.events} - TOLD:
                raise Refused("no such events", Code(b"BADEVENT", EVENTS))
            if group.fetch:
                raise Refused("of new messages nothing is told but that they are there")
        self._groups = command.groups
        self._told = {name: standing(name, mailbox) for name, mailbox in self._watched()}
        for name, status in self._told.items():
            if command.status and self._mailboxes[name] is not opened:
                self._say(status)

    def tell(self, opened: Mailbox | None) -> None:
        """Say what has changed since this was done last, but in the mailbox that is open."""
        for name, mailbox in self._watched():
            status = standing(name, mailbox)
            if status != self._told.get(name):
                self._told[name] = status
                if mailbox is not opened:
                    self._say(status)

    def lose_track(self) -> None:
        """Say that news were too many, and tell no more of them (section 5.8)."""
        self._groups = ()
        code = Code(b"NOTIFICATIONOVERFLOW")
        self._say(Status(Condition.OK, code, b"too many news to remember"))

    def _watched(self) -> Iterator[tuple[bytes, Mailbox]]:
        """Yield the mailboxes that are to be told of: the first group that fits decides."""
        for name, mailbox in sorted(self._mailboxes.items()):
            fitting = (group for group in self._groups if self._covers(group, name))
            if (group := next(fitting, None)) and group.events:
                yield name, mailbox

    def _covers(self, group: EventGroup, name: bytes) -> bool:
        names = [canonical_name(one) for one in group.names]
        match group.which:
            case b"MAILBOXES":
                return name in names
            case b"SUBTREE":
                return any(name == one or name.startswith(one + DELIMITER) for one in names)
            case b"SUBSCRIBED":
                return name in self._mailboxes.subscribed
            case b"INBOXES":
                return name == b"INBOX"
            case b"PERSONAL":
                return True
            case _:
                return False


def standing(name: bytes, mailbox: Mailbox) -> MailboxStatus:
    """Return what is told of a mailbox (section 5.2)."""
    return MailboxStatus(
        name,
        (
            (b"MESSAGES", len(mailbox.messages)),
            (b"UIDNEXT", mailbox.uidnext),
            (b"UIDVALIDITY", mailbox.uidvalidity),
        ),
    )
