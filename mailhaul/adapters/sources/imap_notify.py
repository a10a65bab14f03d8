"""An IMAP source that watches many mailboxes over one connection (NOTIFY, RFC 5465).

What the server says of a mailbox is weighed against where a poll left it, by the next UID and
UIDVALIDITY: so nothing is lost between a poll and the watch, and no removal is taken for news.
The server is asked now and then how all of them stand, for some tell only of what they have done
themselves: Dovecot 2.3 does not see what is put into a Maildir that nobody has open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...flows.report import Report
from ...flows.requests import Now
from ...flows.source import Opened
from ...protocols.imap.codes import number_in
from ...protocols.imap.commands import EventGroup, Notify
from ...protocols.imap.events import Condition, MailboxStatus, Status
from ...protocols.imap.mailbox_names import decode_mailbox, encode_mailbox
from ..login.access import Access, shown
from .imap_watch import MAX_IDLE_SECONDS, WatchedSource

DOUBT = 300.0
"""Seconds after which the server is asked whether it has told everything."""
STRIKES = 2
"""How often in a row mail is found so. What comes just while we ask looks forgotten, too."""
EVENTS = (b"MessageNew", b"MessageExpunge")
"""What is wanted: one is not to be had without the other (section 5)."""
Standing = tuple[int, int]
"""How far a mailbox has come: UIDVALIDITY, and the next UID; 0 where it is not known."""


class NotWatched(Exception):
    """One connection is not enough here; ``str()`` says why."""


class NotifiedSource(WatchedSource):
    """One IMAP account, all of whose ``folders`` are watched. ``leave`` ends it.

    It is for polls of these, by their names and not by patterns. A mailbox that is not polled
    when there are news of it is not told of again.
    """

    def __init__(
        self,
        access: Access,
        report: Report,
        folders: Sequence[str],
        *,
        with_marks: bool = False,
        keeps: bool = False,
    ) -> None:
        super().__init__(access, report, with_marks=with_marks, keeps=keeps)
        self._folders = {in_any_writing(encode_mailbox(folder)): folder for folder in folders}
        self._standing: dict[str, Standing] = {}
        self._changed: set[str] = set()
        self._heard_of: set[str] = set()
        self._in_utf8 = False
        self._uidnext = 0
        self._forgotten = 0
        self._overflown = False

    @property
    def can_notify(self) -> bool:
        """Whether the server offers what this takes."""
        return {b"IDLE", b"NOTIFY"} <= self.channel.machine.capabilities

    @property
    def pushes_news(self) -> bool:
        """Whether the server says by itself when mail has come, and where."""
        return self._good and self.can_notify and not self._refused

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Open a mailbox; what comes from now on is news of it."""
        self._uidnext = 0
        opened = await super().select(mailbox, read_only=read_only)
        self._moves_on(mailbox, (opened.uidvalidity, self._uidnext))
        self._changed.discard(mailbox)
        return opened

    async def wait_for_mail(self, seconds: float = MAX_IDLE_SECONDS) -> Sequence[str]:
        """Wait until mail comes, at most so long; return the mailboxes where some has.

        None are returned as well when the server has lost track: then there may be news anywhere.
        Raises NotWatched, and ProtocolError or RuntimeFault when the connection is no more.
        """
        deadline = await Now() + seconds
        await self._ask_for_all()
        while not self._all_news and (left := deadline - await Now()) > 0:
            waited = await self._idle(self._is_called, min(left, DOUBT))
            if self._overflown or not waited:
                break
            if self._all_news:
                self._forgotten = 0
            else:
                await self._ask_for_all()
                self._forgotten += bool(self._all_news)
        if self._forgotten >= STRIKES:
            raise NotWatched("there is mail of which the server did not tell")
        return () if self._overflown else self._all_news

    @property
    def _all_news(self) -> Sequence[str]:
        """The mailboxes where mail has come, in the user's order."""
        opened = {self.mailbox} if self._news else set[str]()
        return [name for name in self._folders.values() if name in self._changed | opened]

    def _is_called(self) -> bool:
        return self._overflown or bool(self._all_news)

    async def _ask_for_all(self) -> None:
        """Ask how all mailboxes stand, and to be told from now on. Raises NotWatched."""
        missing = await self._ask_for(self._names())
        if missing and not self._in_utf8:
            self._in_utf8 = True
            missing = await self._ask_for(self._names())
        if missing:
            raise NotWatched(f"the server does not watch {min(missing)!r}")

    def _names(self) -> tuple[bytes, ...]:
        """Return the folders as the server calls them.

        Dovecot 2.3 takes, and tells, names in UTF-8 here, although nobody has enabled that.
        """
        if self._in_utf8:
            return tuple(name.encode("utf-8", "surrogateescape") for name in self._folders)
        return tuple(map(self._wire_name, self._folders.values()))

    async def _ask_for(self, names: tuple[bytes, ...]) -> set[str]:
        """Ask for news of these; return the folders of which nothing is told. Raises NotWatched."""
        self._heard_of = {self.mailbox}
        self._overflown = False
        # Dovecot 2.3.19 tells nothing any more where one SET follows another.
        self.channel.machine.send(Notify())
        # Expunges in the open mailbox wait, so that sequence numbers mean what they did (6.1).
        opened, others = b"SELECTED-DELAYED", b"MAILBOXES"
        groups = (EventGroup(opened, EVENTS), EventGroup(others, EVENTS, names))
        done = await self._ask(Notify(groups, status=True))
        if done.condition is not Condition.OK or self._overflown:
            raise NotWatched(f"the server does not watch so much: {shown(done.text)}")
        return set(self._folders.values()) - self._heard_of

    def _keep_count(self, event: Any) -> None:
        match event:
            case MailboxStatus(mailbox, items) if folder := self._folder_of(mailbox):
                self._heard_of.add(folder)
                told = dict(items)
                standing = (as_number(told, b"UIDVALIDITY"), as_number(told, b"UIDNEXT"))
                if self._moves_on(folder, standing):
                    self._changed.add(folder)
            case Status(_, code) if code and code.name == b"NOTIFICATIONOVERFLOW":
                self._overflown = True
            case Status(_, code) if number := number_in(code, b"UIDNEXT"):
                self._uidnext = number
            case _:
                super()._keep_count(event)

    def _folder_of(self, wire: bytes) -> str | None:
        return self._folders.get(in_any_writing(wire))

    def _moves_on(self, folder: str, now: Standing) -> bool:
        """Note how far a mailbox has come; return whether that is farther than before."""
        validity, uidnext = self._standing.get(folder, (0, 0))
        other = now[0] not in (0, validity)
        ahead = other or now[1] > uidnext
        if ahead:
            self._standing[folder] = (now[0] or validity, now[1])
        return ahead


def in_any_writing(wire: bytes) -> str:
    """Return the same for a mailbox name in modified UTF-7 and in UTF-8, and for INBOX as ever."""
    name = decode_mailbox(wire)
    return "INBOX" if name.upper() == "INBOX" else name


def as_number(items: dict[bytes, int | bytes], name: bytes) -> int:
    """Return a number that STATUS told, 0 if it did not."""
    value = items.get(name, 0)
    return value if isinstance(value, int) else 0
