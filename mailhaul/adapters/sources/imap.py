"""An IMAP mailbox as a source: UIDs only, one fetch for each message, many in flight.

A message counts as complete when the last octet of its text *and* the tagged OK of its FETCH
have arrived, and the text passes the checks of imap_completeness.py. imap_listing.py lists the
messages of a mailbox, and imap_actions.py deletes and marks them.

This file is long because everything that waits for a reply shares the counts of the session, and
what was sent ahead.
"""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress

from ... import imap
from ...flows.account import Action
from ...flows.channel import Channel, next_event
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.report import Remark, Report
from ...flows.requests import Close, RuntimeFault
from ...flows.source import Listed, Opened, Part, Uid
from ...protocols.errors import LimitExceeded, LocalProtocolError, ProtocolError
from ...protocols.machine import NeedData
from ..login.access import Access, excerpt, mailbox_advice
from ..login.imap import greet, hear_logout, identify, log_out
from .imap_actions import Actions, Refusals
from .imap_listing import (
    ALL,
    FLAGGED_DELETED,
    OLD,
    UNDELETED,
    UNSEEN,
    Collect,
    Listing,
    NotSearched,
    UidSet,
    Wanted,
    describe,
    find,
    search,
    sets_of,
    size_items,
    size_requests,
    uidvalidity,
)
from .imap_texts import Texts
from .imap_words import ServerTexts

INBOX = b"INBOX"
WITHOUT_PART = {imap.BodyEnd, imap.Fetched, imap.Expunged}
"""Events that never make a part of a message complete; most messages have each of them."""
NOT_SELECTABLE = {rb"\noselect", rb"\nonexistent"}
SPECIAL_USE_PREFIX = "\\"
"""The first character of a special use."""
UNSAFE_LOGIN = b"unsafe"
"""Part of the reply of NetEase's servers (163.com, 126.com, yeah.net) to a client without ID."""
FINGERPRINT_FIELDS = (b"MESSAGE-ID", b"DATE", b"FROM")
"""The header fields for the fingerprint (``protocols.message.fingerprint``)."""
HEADER_ITEMS = b"(UID BODY.PEEK[HEADER])"
SAVED = (b"SAVE", b"ALL")
"""Result options for a search whose result the server saves and returns (RFC 5182, 2.1)."""
FOUND = b"$"
"""Stands for the saved result in a later command."""
CONTENT_ITEMS = {b"OBJECTID": b"EMAILID", b"X-GM-EXT-1": b"X-GM-MSGID"}
"""The FETCH item that names the content of a message, by the capability that it needs."""
MAX_CONTENT = 255
"""The longest name of a content (RFC 8474, 7: objectid)."""
MAX_HEADER = 64 * 1024
"""The maximum octets of a header, or of these fields, that are used."""
MAX_HEADERS = 16 * 1024 * 1024
"""The maximum octets of such fields of all messages that are compared together."""
MAX_MAILBOXES = 20_000
"""The maximum number of mailboxes that match a pattern."""
MAX_NAMES = 2 * 1024 * 1024
"""The maximum octets of the names of these mailboxes."""


class ImapSource:
    """One IMAP account. See ``mailhaul.flows.source.Source`` for the methods.

    With ``everything`` the first listing of a mailbox is expected to contain all messages; it is
    requested along with SELECT, and again if another one is needed. With ``with_marks`` flags and
    date are fetched along with each text, for a sink that stores them. With ``keeps`` no message
    is deleted: a mailbox may then be read-only, and the ledger has to record which messages were
    read. If ``leaves_unread`` is set, no message is marked as read, and the ledger records it.
    """

    # A daemon keeps thousands of them; a dictionary with so many names takes 1,500 octets.
    __slots__ = (
        "_access", "_actions", "_ahead", "_counted", "_delimiter", "_expected", "_expunged",
        "_found", "_identified", "_is_fresh", "_keeps", "_left", "_on_the_wire", "_refusals",
        "_report", "_saved", "_server_texts", "_texts", "_total_at_select", "_uidvalidity",
        "_with_marks", "channel", "leaves_unread", "mailbox", "refused_at_close", "remembers",
        "timeout", "total",
    )  # fmt: skip

    reuses_uids = False
    in_sessions = False
    deletes_on_retrieval = False
    settles_at_close = False
    stays_open = False
    """Whether the connection is used again after ``close``, so that no reply may be left to it."""
    octets: int | None = None
    envelope_sender: bytes | None = None
    envelope_recipient: bytes | None = None

    def __init__(
        self,
        access: Access,
        report: Report,
        *,
        with_marks: bool = False,
        keeps: bool = False,
        everything: bool = False,
    ) -> None:
        self._expected = UNDELETED if everything else UNSEEN
        self._keeps = keeps
        self._with_marks = with_marks
        self._access = access
        self._report = report
        self.timeout = access.timeout
        self.total = 0
        self.remembers = True
        self.refused_at_close = self._left = False
        self.leaves_unread = False
        self._delimiter: bytes | None = None
        self._server_texts = ServerTexts(access.peer, report, access.note_rest)
        self.channel, self._is_fresh = self._new_channel(), True
        self._refusals = Refusals()
        self._identified = self._counted = False
        self.mailbox = ""
        self._on_the_wire: dict[str, bytes] = {}
        self._uidvalidity = 0
        self._forget_mailbox()

    def _forget_mailbox(self) -> None:
        self._expunged = 0
        self._total_at_select = 0
        self._found: array[int] | None = None
        self._ahead: imap.Command | None = None
        self._saved: imap.UidFetch | None = None
        self._texts = Texts(with_marks=self._with_marks)
        self._actions = Actions(self.channel, self._report, self._refusals)

    # Connecting and disconnecting

    async def open(self) -> None:
        """Connect, secure the connection and log in, with a new machine."""
        if not self._is_fresh:
            self.channel = self._new_channel()
        self._is_fresh = False
        self.total = 0
        if not self.refused_at_close:
            self._refusals = Refusals()
        self._identified = False
        self._forget_mailbox()
        await greet(self.channel, self._access)

    def _new_channel(self) -> Channel[imap.Client]:
        access = self._access
        machine = self._server_texts.client(access.tap, read_only=access.read_only)
        channel = Channel(access.peer, machine, pace=Pace(machine, self.timeout))
        self._server_texts.attach(channel)
        return channel

    async def close(self) -> None:
        """Log out if the connection is still usable, and close it.

        LOGOUT follows at once what ``finish`` has left, which saves a round trip. Only this raises
        ProtocolError and RuntimeFault.
        """
        left, self._left = self._left, False
        if left and self._actions.under_way:
            try:
                await self._end_after_replies()
            except (ProtocolError, RuntimeFault):
                await Close(self.channel)
                raise
        else:
            await log_out(self.channel)
        self.refused_at_close = left and self._actions.refused

    async def _end_after_replies(self) -> None:
        """Send LOGOUT, take the replies to the actions before it, and close the connection."""
        self.channel.machine.send(imap.Logout())
        while self._actions.under_way:
            self._handle(await next_event(self.channel, self.timeout))
        with suppress(ProtocolError, RuntimeFault):
            await hear_logout(self.channel)
        await Close(self.channel)

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return the names, with patterns and special uses replaced by the matching mailboxes.

        Each mailbox is returned once. Patterns do not match those in ``elsewhere``. ``*`` matches
        anything, ``%`` anything within one level (RFC 3501, 6.3.8); ``\\Sent`` and the like are
        special uses (RFC 6154, 2). Without any of them the server is not asked.
        """
        found: dict[bytes, str] = {}
        others = set[bytes]()
        if any(map(is_pattern, wanted)):
            others.update(canonical(self._wire_name(name)) for name in elsewhere)
        for name in wanted:
            for mailbox in await self._matching(name) if is_pattern(name) else [name]:
                wire = canonical(self._wire_name(mailbox))
                if wire not in others:
                    found.setdefault(wire, mailbox)
        return list(found.values())

    async def _matching(self, pattern: str) -> list[str]:
        """Return the matching mailboxes that can be selected; report if there are none."""
        wire = imap.encode_mailbox(pattern)
        special = pattern.startswith(SPECIAL_USE_PREFIX)
        extended = {
            b"SPECIAL-USE",
            b"LIST-EXTENDED",
        } <= self.channel.machine.capabilities.keys()
        asked = (b"SPECIAL-USE",) if special and extended else ()
        names: list[str] = []
        octets = 0

        def collect(event: imap.Event) -> None:
            nonlocal octets
            if not isinstance(event, imap.Listed):
                return
            octets += len(event.mailbox)
            if len(names) >= MAX_MAILBOXES:
                raise LimitExceeded("mailboxes of one pattern", MAX_MAILBOXES)
            if octets > MAX_NAMES:
                raise LimitExceeded("octets of the names of mailboxes", MAX_NAMES)
            attributes = {attribute.lower() for attribute in event.attributes}
            fits = not special or wire.lower() in attributes
            if fits and not attributes & NOT_SELECTABLE:
                names.append(self._name_of(event.mailbox))

        command = imap.ListMailboxes(b"", (b"*" if special else wire,), (), asked)
        done = await self._ask_known(lambda: self._ask(command, collect))
        if not names:
            refused = done.condition is not imap.Condition.OK
            why = f": {excerpt(done.text)}{mailbox_advice(done.text)}" if refused else ""
            text = f"{self.channel.peer}: no mailbox matches {pattern!r}{why}"
            self._report(Remark(text, error=True))
        return names

    def _name_of(self, wire: bytes) -> str:
        """Return the decoded name of a listed mailbox, and remember the encoded one."""
        name = imap.decode_mailbox(wire)
        if imap.encode_mailbox(name) != wire:
            # Encoding the name again gives another mailbox ("Tom &- Jerry" and "Tom & Jerry").
            name = wire.decode("utf-8", "surrogateescape")
        self._on_the_wire[name] = wire
        return name

    def _wire_name(self, mailbox: str) -> bytes:
        return self._on_the_wire.get(mailbox) or imap.encode_mailbox(mailbox)

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """Select a mailbox, or with ``read_only`` examine it.

        Raises PollFailed: ERROR if the server refuses, LOCKBUSY if the mailbox is read-only and
        messages would have to be deleted or marked.
        """
        self._forget_mailbox()
        self.mailbox = mailbox
        self.total = self._uidvalidity = 0
        self._counted = False
        command = imap.Select(self._wire_name(mailbox), read_only)
        done = await self._ask_known(lambda: self._select_and_search(command))
        if done.condition is not imap.Condition.OK:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: mailbox selection failed for {mailbox!r}: "
                f"{excerpt(done.text)}{mailbox_advice(done.text)}",
            )
        closed = done.code is not None and done.code.name == b"READ-ONLY"
        # No message can be marked as \\Seen there, so the server will not record it.
        self.remembers = not closed or read_only
        self._actions.read_only = closed
        self._actions.leaves_unread = self.leaves_unread
        if closed and not (read_only or self._keeps):
            raise PollFailed(
                ExitCode.LOCKBUSY,
                f"{self.channel.peer}: mailbox {mailbox!r} can only be read; nothing could be "
                "deleted or marked there",
            )
        if not self._counted:
            # Without a valid EXISTS response the mailbox is not necessarily empty.
            self.total = self._total_at_select = len(await self._find(ALL))
        expected = self._found and self.total and self.remembers and self._expected is UNSEEN
        if self._found and expected and not self._saved:
            # The reply to the first request arrives while the caller uses the ledger.
            # There is no request if the server names only UIDs that cannot exist.
            self._ahead = next(iter(size_requests(self._found)), None)
            if self._ahead:
                self.channel.machine.send(self._ahead)
        return Opened(self._uidvalidity, closed)

    async def _select_and_search(self, command: imap.Select) -> imap.Completed:
        """Send SELECT, and in the same write the search that is expected to come next.

        The result of the search is used only if the reply to SELECT came before it: the UIDVALIDITY
        is known then, and no other mailbox can have been searched. A server that saves the result
        (RFC 5182) is asked for the sizes of what it finds as well.
        """
        machine = self.channel.machine
        saves = self._expected is UNSEEN and b"SEARCHRES" in machine.capabilities
        search_command = imap.UidSearch(self._expected.criteria[0], SAVED if saves else None)
        sizes = imap.UidFetch(FOUND, size_items())
        machine.send(command)
        # A mailbox name that is sent as a literal has to wait for the server first.
        with suppress(LocalProtocolError):
            machine.send(search_command)
            if saves:
                machine.send(sizes)
        done = await self._completion(command)
        self._total_at_select = self.total
        if search_command in machine.outstanding:
            reply, found = await search(
                lambda _, collect: self._completion(search_command, collect), b""
            )
            if imap.Condition.OK is done.condition is reply.condition:
                self._found = found
                if self._total_at_select:
                    # A server may report more messages as expunged than there were.
                    self.total = max(self.total, len(found))
        if sizes in machine.outstanding:
            self._saved = sizes
            if not self._found:
                await self._read_ahead_reply()
        return done

    # Listing

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        """List the messages without \\Seen, or with ``everything`` all.

        With ``with_flags`` the listing also contains which of them have \\Seen.
        """
        wanted = UNDELETED if everything else UNSEEN
        uids, self._found = self._found, None
        if uids is None or wanted is not self._expected:
            uids = await self._find(wanted)
        elif self._saved and not with_flags:
            sizes, self._saved = self._saved, None
            listing = Listing(uids)
            done = await self._completion(sizes, listing.update)
            if done.condition is imap.Condition.OK:
                return listing
        return await describe(self._ask, uids, with_flags=with_flags)

    async def old(self) -> Sequence[Listed]:
        """List the messages that were read before."""
        listing = await describe(self._ask, await self._find(OLD))
        return listing.existing()

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the sizes of these messages in octets, 0 if unknown. Missing ones are left out."""
        sizes: dict[Uid, int] = {}
        asked = {int(uid) for uid in uids}
        refused = False

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Fetched) and event.uid in asked and event.size is not None:
                sizes[event.uid] = event.size

        for some in sets_of(sorted(asked)):
            done = await self._ask(imap.UidFetch(some, b"(UID RFC822.SIZE)"), collect)
            refused = refused or done.condition is not imap.Condition.OK
        # After a refusal it is unknown which messages exist.
        return dict.fromkeys(uids, 0) | sizes if refused else sizes

    async def arrived_since(self, date: bytes) -> Collection[Uid] | None:
        """Return which messages arrived on or after this day, by the server's clock (SINCE)."""
        done, found = await search(self._ask, b"SINCE " + date)
        if done.condition is not imap.Condition.OK:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: search by date failed (since): {excerpt(done.text)}",
            )
        return UidSet(found)

    async def contents(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the server's names for the contents of these messages, if it has them."""
        capabilities = self.channel.machine.capabilities
        item = next((item for name, item in CONTENT_ITEMS.items() if name in capabilities), b"")
        found: dict[Uid, bytes] = {}
        if not item:
            return found
        asked = {int(uid) for uid in uids}

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Fetched) and event.uid in asked:
                value = dict(event.others).get(item)
                # EMAILID has its value in parentheses (RFC 8474, 7).
                value = value[0] if isinstance(value, list) and len(value) == 1 else value
                if isinstance(value, bytes) and value:
                    found[event.uid] = item + b" " + value[:MAX_CONTENT]

        for some in sets_of(sorted(asked)):
            await self._ask(imap.UidFetch(some, b"(UID %b)" % item), collect)
        return found

    async def levels(self, mailbox: str) -> tuple[bytes, ...]:
        """Return the levels of a mailbox's name; the server is asked for the separator once."""
        wire = self._wire_name(mailbox)
        if canonical(wire) == INBOX:
            return (INBOX,)
        if self._delimiter is None:
            self._delimiter = await self._ask_delimiter()
        return tuple(wire.split(self._delimiter)) if self._delimiter else (wire,)

    async def _ask_delimiter(self) -> bytes:
        """Return the separator of levels, b"" if names have none (RFC 3501, 6.3.8)."""
        found = b""

        def collect(event: imap.Event) -> None:
            nonlocal found
            if isinstance(event, imap.Listed):
                found = event.delimiter or b""

        await self._ask(imap.ListMailboxes(b"", (b"",)), collect)
        return found

    async def headers(
        self, uids: Sequence[Uid], fields: Sequence[bytes] = ()
    ) -> Mapping[Uid, bytes]:
        """Return the header fields for the fingerprint and others, of messages that still exist."""
        names = b" ".join([*FINGERPRINT_FIELDS, *fields])
        return await self._header_texts(uids, b"(UID BODY.PEEK[HEADER.FIELDS (%b)])" % names)

    async def whole_headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the first 64 KiB of the headers of those messages that still exist."""
        return await self._header_texts(uids, HEADER_ITEMS)

    async def _header_texts(self, uids: Sequence[Uid], items: bytes) -> Mapping[Uid, bytes]:
        headers: dict[Uid, bytes] = {}
        asked = {int(uid) for uid in uids}
        text = bytearray()
        octets = 0
        has_text = False

        def collect(event: imap.Event) -> None:
            nonlocal octets, has_text
            if isinstance(event, imap.BodyStart):
                text.clear()
                has_text = True
            elif isinstance(event, imap.BodyChunk):
                # Unrequested text counts as well, so that it cannot grow without limit.
                octets += len(event.data)
                if octets > MAX_HEADERS:
                    raise LimitExceeded("headers of messages", MAX_HEADERS)
                text.extend(event.data[: MAX_HEADER - len(text)])
            elif isinstance(event, imap.Fetched):
                # A response without a text reports other changes, such as flags.
                if has_text and event.uid in asked:
                    headers[event.uid] = bytes(text)
                has_text = False
                text.clear()

        for some in sets_of(sorted(asked)):
            await self._ask(imap.UidFetch(some, items), collect)
        return headers

    async def _find(self, wanted: Wanted) -> array[int]:
        try:
            return await find(self._ask, wanted, self.total)
        except NotSearched as failure:
            raise PollFailed(
                ExitCode.ERROR,
                f"{self.channel.peer}: search for mail failed: {excerpt(failure.reply.text)}",
            ) from None

    async def _ask(self, command: imap.Command, collect: Collect | None = None) -> imap.Completed:
        """Send one command, unless it was sent ahead, and wait for its end; see ``_completion``."""
        if self._ahead and self._ahead == command:
            command, self._ahead = self._ahead, None
            return await self._completion(command, collect)
        await self._read_ahead_reply()
        self.channel.machine.send(command)
        return await self._completion(command, collect)

    async def _read_ahead_reply(self) -> None:
        """Read the reply to a command that was sent ahead, and whose result nobody wants."""
        ahead, self._ahead, self._saved = self._ahead or self._saved, None, None
        if ahead:
            await self._completion(ahead)

    async def _completion(
        self, command: imap.Command, collect: Collect | None = None
    ) -> imap.Completed:
        """Wait for the end of a command; call ``collect`` with every event before it."""
        while True:
            event = await next_event(self.channel, self.timeout)
            self._keep_count(event)
            if isinstance(event, imap.Completed):
                if event.command is command:
                    return event
                if isinstance(event.command, imap.UidStore | imap.UidExpunge):
                    # It was left to a later request.
                    self._actions.answered(event)
            if collect:
                collect(event)

    async def _ask_known(self, ask: Callable[[], Awaitable[imap.Completed]]) -> imap.Completed:
        """Send a command that some servers refuse until the client has sent ID (RFC 2971)."""
        done = await ask()
        knows = b"ID" in self.channel.machine.capabilities or UNSAFE_LOGIN in done.text.lower()
        if done.condition is imap.Condition.OK or self._identified or not knows:
            return done
        self._identified = True
        # The reply to ID does not matter.
        await self._ask(identify())
        return await ask()

    def _keep_count(self, event: imap.Event) -> None:
        match event:
            case imap.Exists(count):
                self.total = count
                self._counted = True
            case imap.Expunged():
                self.total = max(0, self.total - 1)
                self._expunged += 1
            case imap.Status(_, code) if code and code.name == b"UIDVALIDITY":
                self._uidvalidity = uidvalidity(code.arguments)
            case imap.SaidBye(_, text):
                # The connection ends next, and outstanding commands fail.
                self.channel.failure = f"the server sent BYE: {excerpt(text)}"
            case _:
                pass

    # Reading

    def request(self, message: Listed) -> None:
        """Request a message without marking it; section by section after a doubtful text."""
        uid = int(message.uid)
        for items in self._texts.ask(uid, message.size):
            self.channel.machine.send(imap.UidFetch(b"%d" % uid, items))

    def pull(self) -> Part | None:
        """Return the next part of the requested messages, or None until more data has arrived."""
        while (part := self._texts.pull()) is None:
            event: imap.Event | None = None
            while event is None or type(event) in WITHOUT_PART:
                following = self.channel.machine.next_event()
                if isinstance(following, NeedData):
                    return None
                event = following
                self._handle(event)
        return part

    def _handle(self, event: imap.Event) -> None:
        match event:
            case imap.BodyChunk():
                self._texts.add(event)
            case imap.BodyStart():
                self._texts.begin_text(event, self._expunged)
            case imap.BodyEnd():
                self._texts.end_text()
            case imap.NoText():
                self._texts.no_text(event)
            case imap.Fetched():
                self._texts.end_response(event)
            case imap.Completed(imap.UidFetch(uids), condition, _, text):
                rests = self._server_texts.throttled
                self._texts.end_command(int(uids), condition, excerpt(text), rests=rests)
            case imap.Completed(imap.UidStore() | imap.UidExpunge()):
                self._actions.answered(event)
            case _:
                self._keep_count(event)

    # Settling

    @property
    def expunges_all(self) -> bool:
        """Whether this server cannot expunge some messages and leave others."""
        return self._actions.expunges_all

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        """Ask the server to delete or mark these messages, after the earlier commands."""
        self._actions.perform(action, [int(uid) for uid in uids])

    def confirmed(self, action: Action) -> Sequence[int]:
        """Return the UIDs for which the server has done this action. Each is returned once."""
        return self._actions.confirmed(action)

    async def finish(self, *, may_close: bool = False) -> None:
        """Wait for all replies; then retry refused actions in another form, and expunge.

        With ``may_close`` replies are left to ``close``, if the usual commands are all it takes.
        """
        usual = not (self.stays_open or self.refused_at_close or self.expunges_all)
        self._left = may_close and usual and not self._actions.refused
        if self._left:
            return
        while self._actions.under_way:
            self._handle(await next_event(self.channel, self.timeout))
            if not self._actions.under_way:
                self._actions.retry_refused()
        await self._actions.expunge(self._ask, lambda: self._find(FLAGGED_DELETED))


def canonical(wire: bytes) -> bytes:
    """Return INBOX for all spellings of INBOX, the only case-insensitive name (5.1)."""
    return INBOX if wire.upper() == INBOX else wire


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern or a special use, which the server has to expand."""
    return "*" in name or "%" in name or name.startswith(SPECIAL_USE_PREFIX)
