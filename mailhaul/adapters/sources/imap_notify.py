"""An IMAP source that watches many mailboxes over one connection (NOTIFY, RFC 5465).

A notification about a mailbox is compared with the UIDNEXT and UIDVALIDITY after the last poll. So
no mail is missed between a poll and the watch, and an expunge does not count as new mail. From time
to time the status of all mailboxes is requested, because some servers report only their own
changes: Dovecot 2.3 does not notice files that another program puts into a Maildir that no session
has open.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import imap
from ...flows.report import Report
from ...flows.requests import Now
from ...flows.source import Opened
from ...protocols.imap.codes import number_in
from ..login.access import Access, excerpt
from .imap_watch import MAX_IDLE_SECONDS, WatchedSource

CHECK_SECONDS = 300.0
"""Seconds between requests for the status of all mailboxes."""
MAX_MISSED = 2
"""How many such requests in a row may find unreported mail. Mail that arrives during the request
looks unreported too, so one is not enough."""
EVENTS = (b"MessageNew", b"MessageExpunge")
"""The events to request: neither is allowed without the other (section 5)."""
Position = tuple[int, int]
"""UIDVALIDITY and UIDNEXT of a mailbox; 0 if unknown."""


class NotWatched(Exception):
    """The mailboxes cannot be watched over one connection. ``str()`` is the reason."""


class NotifiedSource(WatchedSource):
    """One IMAP account whose ``folders`` are all watched. ``leave`` ends the connection.

    The folders are names, not patterns. If a mailbox with new mail is not polled, it is not
    reported again.
    """

    __slots__ = (
        "_changed",
        "_folders",
        "_in_utf8",
        "_missed",
        "_overflowed",
        "_positions",
        "_reported",
        "_uidnext",
    )

    def __init__(
        self,
        access: Access,
        report: Report,
        folders: Sequence[str],
        *,
        with_marks: bool = False,
        keeps: bool = False,
        everything: bool = False,
    ) -> None:
        super().__init__(access, report, with_marks=with_marks, keeps=keeps, everything=everything)
        self._folders = {canonical_name(imap.encode_mailbox(folder)): folder for folder in folders}
        self._positions: dict[str, Position] = {}
        self._changed: set[str] = set()
        self._reported: set[str] = set()
        self._in_utf8 = False
        self._uidnext = 0
        self._missed = 0
        self._overflowed = False

    @property
    def can_notify(self) -> bool:
        """Whether the server supports IDLE and NOTIFY."""
        return {b"IDLE", b"NOTIFY"} <= self.channel.machine.capabilities.keys()

    @property
    def pushes_news(self) -> bool:
        """Whether the server reports new mail, and its mailbox, without being asked."""
        return self._is_usable and self.can_notify and not self._idle_refused

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox. Mail that arrives from now on counts as new."""
        self._uidnext = 0
        opened = await super().select(mailbox, read_only=read_only)
        self._advance(mailbox, (opened.uidvalidity, self._uidnext))
        self._changed.discard(mailbox)
        return opened

    async def wait_for_mail(self, seconds: float = MAX_IDLE_SECONDS) -> Sequence[str]:
        """Wait at most ``seconds`` for mail; return the mailboxes with new mail.

        The result is also empty after NOTIFICATIONOVERFLOW: then any mailbox may have new mail.
        Raises NotWatched, and ProtocolError or RuntimeFault if the connection is lost.
        """
        deadline = await Now() + seconds
        await self._request_all()
        while not self._changed_mailboxes and (left := deadline - await Now()) > 0:
            waited = await self._idle(min(left, CHECK_SECONDS))
            if self._overflowed or not waited:
                break
            if self._changed_mailboxes:
                self._missed = 0
            else:
                await self._request_all()
                self._missed += bool(self._changed_mailboxes)
        if self._missed >= MAX_MISSED:
            raise NotWatched("the server did not report new mail")
        return () if self._overflowed else self._changed_mailboxes

    @property
    def _changed_mailboxes(self) -> Sequence[str]:
        """The mailboxes with new mail, in the user's order."""
        opened = {self.mailbox} if self._has_new_mail else set[str]()
        return [name for name in self._folders.values() if name in self._changed | opened]

    def _should_return(self) -> bool:
        return self._overflowed or bool(self._changed_mailboxes)

    async def _request_all(self) -> None:
        """Request the status of all mailboxes, and notifications from now on. Raises NotWatched."""
        missing = await self._request(self._names())
        if missing and not self._in_utf8:
            self._in_utf8 = True
            missing = await self._request(self._names())
        if missing:
            raise NotWatched(f"the server does not watch {min(missing)!r}")

    def _names(self) -> tuple[bytes, ...]:
        """Return the encoded names of the folders.

        Dovecot 2.3 expects and sends names in UTF-8 here, although UTF8=ACCEPT is not enabled.
        """
        if self._in_utf8:
            return tuple(name.encode("utf-8", "surrogateescape") for name in self._folders)
        return tuple(map(self._wire_name, self._folders.values()))

    async def _request(self, names: tuple[bytes, ...]) -> set[str]:
        """Send NOTIFY for these names; return the folders without a status. Raises NotWatched."""
        self._reported = {self.mailbox}
        self._overflowed = False
        # Dovecot 2.3.19 sends no notifications after a second NOTIFY SET without NONE between.
        self.channel.machine.send(imap.Notify())
        # Expunges in the open mailbox are delayed, so that sequence numbers stay valid (6.1).
        opened, others = b"SELECTED-DELAYED", b"MAILBOXES"
        groups = (imap.EventGroup(opened, EVENTS), imap.EventGroup(others, EVENTS, names))
        done = await self._ask(imap.Notify(groups, status=True))
        if done.condition is not imap.Condition.OK or self._overflowed:
            raise NotWatched(f"the server does not watch so many mailboxes: {excerpt(done.text)}")
        return set(self._folders.values()) - self._reported

    def _keep_count(self, event: imap.Event) -> None:
        match event:
            case imap.MailboxStatus(mailbox, items) if folder := self._folder_of(mailbox):
                self._reported.add(folder)
                told = dict(items)
                position = (as_number(told, b"UIDVALIDITY"), as_number(told, b"UIDNEXT"))
                if self._advance(folder, position):
                    self._changed.add(folder)
            case imap.Status(_, code) if code and code.name == b"NOTIFICATIONOVERFLOW":
                self._overflowed = True
            case imap.Status(_, code) if number := number_in(code, b"UIDNEXT"):
                self._uidnext = number
            case _:
                super()._keep_count(event)

    def _folder_of(self, wire: bytes) -> str | None:
        return self._folders.get(canonical_name(wire))

    def _advance(self, folder: str, now: Position) -> bool:
        """Store the new position of a mailbox; return whether it is ahead of the old one."""
        validity, uidnext = self._positions.get(folder, (0, 0))
        other = now[0] not in (0, validity)
        ahead = other or now[1] > uidnext
        if ahead:
            self._positions[folder] = (now[0] or validity, now[1])
        return ahead


def canonical_name(wire: bytes) -> str:
    """Return one name for both encodings of a mailbox (modified UTF-7, UTF-8), and for INBOX."""
    name = imap.decode_mailbox(wire)
    return "INBOX" if name.upper() == "INBOX" else name


def as_number(items: dict[bytes, int | bytes], name: bytes) -> int:
    """Return a number from the items of a STATUS response, 0 if it is missing."""
    value = items.get(name, 0)
    return value if isinstance(value, int) else 0
