"""Notify a session of changes in mailboxes that it has not selected (NOTIFY, RFC 5465).

Changes of the selected mailbox are reported as without NOTIFY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .. import imap
from .imap_queries import Refused
from .mailboxes import DELIMITER, Mailbox, Mailboxes, canonical_name

EVENTS = b"(MessageNew MessageExpunge)"
SUPPORTED_EVENTS = frozenset(EVENTS[1:-1].upper().split())
"""The supported events: new messages and expunged messages."""


class MailboxNews:
    """Remembers the last reported status of each mailbox; ``send`` is called with each response."""

    def __init__(self, mailboxes: Mailboxes, send: Callable[[imap.Event], None]) -> None:
        self._mailboxes = mailboxes
        self._send = send
        self._groups: tuple[imap.EventGroup, ...] = ()
        self._reported: dict[bytes, imap.MailboxStatus] = {}

    @property
    def enabled(self) -> bool:
        """Whether the client has requested notifications."""
        return bool(self._groups)

    @property
    def reports_removals(self) -> bool:
        """Whether EXPUNGE of the selected mailbox may be sent at any time (section 6.1)."""
        return any(group.which == b"SELECTED" for group in self._groups)

    def set_groups(self, command: imap.Notify, opened: Mailbox | None) -> None:
        """Set the notifications to send from now on. Raises Refused for unsupported events.

        ``opened`` is the selected mailbox.
        """
        for group in command.groups:
            if {event.upper() for event in group.events} - SUPPORTED_EVENTS:
                raise Refused("unsupported events", imap.Code(b"BADEVENT", EVENTS))
            if group.fetch:
                raise Refused("FETCH attributes for new messages are not supported")
        self._groups = command.groups
        self._reported = {name: status_of(name, mailbox) for name, mailbox in self._watched()}
        for name, status in self._reported.items():
            if command.status and self._mailboxes[name] is not opened:
                self._send(status)

    def report(self, opened: Mailbox | None) -> None:
        """Send the changes since the last report, except those of the selected mailbox."""
        for name, mailbox in self._watched():
            status = status_of(name, mailbox)
            if status != self._reported.get(name):
                self._reported[name] = status
                if mailbox is not opened:
                    self._send(status)

    def report_overflow(self) -> None:
        """Send NOTIFICATIONOVERFLOW, and stop all notifications (section 5.8)."""
        self._groups = ()
        code = imap.Code(b"NOTIFICATIONOVERFLOW")
        self._send(imap.Status(imap.Condition.OK, code, b"too many pending events"))

    def _watched(self) -> Iterator[tuple[bytes, Mailbox]]:
        """Yield the mailboxes to report: the first group that covers a mailbox decides."""
        for name, mailbox in sorted(self._mailboxes.items()):
            fitting = (group for group in self._groups if self._covers(group, name))
            if (group := next(fitting, None)) and group.events:
                yield name, mailbox

    def _covers(self, group: imap.EventGroup, name: bytes) -> bool:
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


def status_of(name: bytes, mailbox: Mailbox) -> imap.MailboxStatus:
    """Return the STATUS response for a mailbox (section 5.2)."""
    return imap.MailboxStatus(
        name,
        (
            (b"MESSAGES", len(mailbox.messages)),
            (b"UIDNEXT", mailbox.uidnext),
            (b"UIDVALIDITY", mailbox.uidvalidity),
        ),
    )
