"""IMAP commands on the messages of the selected mailbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from .. import imap
from ..protocols.imap.arguments import BadSyntax
from ..protocols.imap.command_lines import read_flags
from .imap_queries import (
    STRUCTURE_ITEMS,
    SYSTEM_FLAGS,
    Refused,
    TextItem,
    flags_to_store,
    read_items,
)
from .imap_search import matching, read_query
from .mailboxes import Mailbox, Message, Numbered, View, uids_in_set
from .mime import envelope_of, structure_of
from .parsed_message import ParsedMessage

CHANGES: dict[bytes, Callable[[set[bytes], set[bytes]], set[bytes]]] = {
    b"FLAGS": lambda old, named: set(named),
    b"+FLAGS": lambda old, named: old | named,
    b"-FLAGS": lambda old, named: old - named,
}
"""The new flags for each operation of STORE, from the old flags and the named ones."""

OnMessages = (
    imap.Fetch
    | imap.Store
    | imap.Copy
    | imap.Move
    | imap.UidFetch
    | imap.UidStore
    | imap.UidCopy
    | imap.UidMove
)
Stream = Callable[[Message, bytes], Awaitable[None]]
"""Sends a piece of message text, at the speed at which the client reads."""


class OpenMailbox:
    """The selected mailbox of one session; ``send`` is called with each response.

    ``counts_changes`` is true if CONDSTORE is available (RFC 7162, 3.1), ``with_modseq`` if the
    session uses it, and ``resyncs`` if QRESYNC is enabled. ``use_condstore`` is called by commands
    with which the session begins to use it.
    """

    def __init__(
        self, mailbox: Mailbox, read_only: bool, send: Callable[[imap.Event], None], stream: Stream
    ) -> None:
        self.mailbox = mailbox
        self.view = View(mailbox, read_only=read_only)
        self.read_only = read_only
        self.with_modseq = self.resyncs = False
        self.counts_changes = True
        self.use_condstore: Callable[[], None] = lambda: None
        self._send = send
        self._stream = stream
        self._keywords: set[bytes] = set()

    def send_flags(self) -> None:
        """Send the existing flags, and the flags that can be set (7.2.6, 7.1)."""
        found = {flag for message in self.view.messages for flag in message.flags}
        self._keywords |= found.difference(SYSTEM_FLAGS)
        known = (*SYSTEM_FLAGS, *sorted(self._keywords))
        self._send(imap.Flags(known))
        permanent = b"()" if self.read_only else b"(%b \\*)" % b" ".join(known)
        self._send(
            imap.Status(
                imap.Condition.OK, imap.Code(b"PERMANENTFLAGS", permanent), b"permanent flags"
            )
        )

    def send_new_keywords(self, messages: Iterable[Message]) -> None:
        """Send the flags again if these messages have new keywords, before sending the messages."""
        if any(not message.flags <= self._keywords.union(SYSTEM_FLAGS) for message in messages):
            self.send_flags()

    def flags_of(self, message: Message) -> tuple[bytes, ...]:
        """Return the flags of a message for this session, with \\Recent."""
        recent = {rb"\Recent"} if message.uid in self.view.recent else set[bytes]()
        return tuple(sorted(message.flags | recent))

    def find(self, command: OnMessages) -> Numbered:
        """Return the messages that a command names. Raises ValueError for an invalid set."""
        match command:
            case imap.Fetch() | imap.Store() | imap.Copy() | imap.Move():
                return self.view.numbered(command.numbers)
            case _:
                return self.view.with_uids(command.uids)

    def refuse_changes(self) -> None:
        """Raise Refused if the mailbox is read-only."""
        if self.read_only:
            raise Refused("the mailbox is read-only")

    def _count_changes(self) -> None:
        """Send mod-sequences from now on. Raises BadSyntax if CONDSTORE is not available."""
        if not self.counts_changes:
            raise BadSyntax("CONDSTORE is not available")
        self.use_condstore()

    # Searching

    def search(self, command: imap.Search | imap.UidSearch) -> None:
        """Send the result of a search. Raises Refused and BadSyntax."""
        by_uid = isinstance(command, imap.UidSearch)
        query = read_query(command.criteria, self.view)
        returning = None if command.returning is None else command.returning or (b"ALL",)
        if unknown := set(returning or ()) - {b"MIN", b"MAX", b"COUNT", b"ALL"}:
            raise BadSyntax(
                f"{min(unknown).decode('ascii', 'replace')} is not a supported result option"
            )
        found = matching(query, self.view)
        numbers = [message.uid if by_uid else number for number, message in found]
        modseq = None
        if query.with_modseq:
            self._count_changes()
            modseqs = [message.modseq for _, message in found]
            modseq = max(reported_modseqs(modseqs, returning), default=None)
        if returning is None:
            self._send(imap.Found(tuple(numbers), modseq))
        else:
            self._send(esearch_result(numbers, returning, by_uid, modseq))

    # Fetching

    async def fetch(self, command: imap.Fetch | imap.UidFetch) -> None:
        """Send the requested data. Raises Refused before any response is sent."""
        texts, data_items = read_items(command.items)
        by_uid = isinstance(command, imap.UidFetch)
        found = self.find(command)
        if by_uid:
            data_items |= {b"UID"}
        if command.modifiers:
            found = self._changed(command, found)
            data_items |= {b"MODSEQ"}
        if b"MODSEQ" in data_items:
            self._count_changes()
        if b"FLAGS" in data_items:
            self.send_new_keywords(message for _, message in found)
        for number, message in found:
            examined, missing = ParsedMessage(message), list[bytes]()
            left = data_items
            for item in texts:
                text = None
                if item.section and (text := examined.section(item.section)) is None:
                    missing.append(item.name)
                else:
                    await self._send_text(number, message, item, text, left)
                    left -= {b"RFC822.SIZE"}
            seen = self._identified({b"FLAGS"}) if self._mark(message, texts) else set[bytes]()
            self._send(self._fetched(number, examined, left | seen, missing))

    def _changed(self, command: imap.Fetch | imap.UidFetch, found: Numbered) -> Numbered:
        """Return the changed messages, and send VANISHED (RFC 7162, 3.1.4.1 and 3.2.6)."""
        match command.modifiers.upper().split(b" "):
            case [b"CHANGEDSINCE", since] if is_modseq(since):
                pass
            case [b"CHANGEDSINCE", since, b"VANISHED"] if is_modseq(since) and self.resyncs:
                if not isinstance(command, imap.UidFetch):
                    raise BadSyntax("VANISHED requires UID FETCH")
                self.send_vanished(int(since), command.uids)
            case _:
                raise BadSyntax("unknown FETCH modifiers")
        return [(n, message) for n, message in found if message.modseq > int(since)]

    def send_vanished(self, since: int, uids: bytes) -> None:
        """Send which of these UIDs were expunged after mod-sequence ``since`` (RFC 7162, 3.2.6)."""
        if vanished := uids_in_set(
            self.mailbox.expunged_since(since), uids, self.mailbox.uidnext - 1
        ):
            self._send(imap.Vanished(imap.uid_set(vanished), earlier=True))

    def _fetched(
        self,
        number: int,
        examined: ParsedMessage,
        data_items: frozenset[bytes],
        missing: Sequence[bytes] = (),
    ) -> imap.Fetched:
        """Return the FETCH response of a message without its text; ``missing`` items are NIL."""
        others: list[tuple[bytes, imap.Value]] = [(name, None) for name in missing]
        if data_items & STRUCTURE_ITEMS:
            others += structure_items(examined, data_items)
        message = examined.message
        return imap.Fetched(
            number,
            message.uid if b"UID" in data_items else None,
            message.size if b"RFC822.SIZE" in data_items else None,
            self.flags_of(message) if b"FLAGS" in data_items else None,
            message.date if b"INTERNALDATE" in data_items else None,
            message.modseq if b"MODSEQ" in data_items else None,
            tuple(others),
        )

    def _mark(self, message: Message, texts: list[TextItem]) -> bool:
        """Set \\Seen if one of the texts does so; return whether the flag changed."""
        marks = any(item.marks for item in texts) and not self.read_only
        if not marks or rb"\Seen" in message.flags:
            return False
        self._change(message, message.flags | {rb"\Seen"})
        return True

    async def _send_text(
        self,
        number: int,
        message: Message,
        item: TextItem,
        text: bytes | None,
        data_items: frozenset[bytes],
    ) -> None:
        """Send a section, or the whole message chunk by chunk; UID and size come first."""
        uid = message.uid if b"UID" in data_items else None
        announced = message.size if b"RFC822.SIZE" in data_items else None
        size = message.size if text is None else len(text)
        chunks = message.chunks() if text is None else (text,)
        origin = None
        if item.partial:
            origin, count = item.partial
            chunks = between(chunks, origin, origin + count)
            size = max(0, min(size - origin, count))
        start = imap.BodyStart(
            number, uid, item.section, size, item.old_name, origin, message_size=announced
        )
        self._send(start)
        for chunk in chunks:
            await self._stream(message, chunk)
        self._send(imap.BodyEnd())

    # Changing

    def store(self, command: imap.Store | imap.UidStore) -> imap.Code | None:
        """Change flags; return the code with the unchanged messages. Raises Refused, BadSyntax."""
        self.refuse_changes()
        by_uid = isinstance(command, imap.UidStore)
        found = self.find(command)
        named = flags_to_store(read_flags(command.flags))
        change, _, silent = command.operation.upper().partition(b".")
        since = command.unchanged_since
        if since is not None:
            self._count_changes()
        data_items = {b"UID"} if by_uid else set[bytes]()
        data_items |= self._identified(set[bytes]() if silent else {b"FLAGS"})
        unchanged: list[int] = []
        for number, message in found:
            if since is not None and message.modseq > since:
                unchanged.append(message.uid if by_uid else number)
                continue
            self._change(message, CHANGES[change](message.flags, named), silent=bool(silent))
            self.send_new_keywords([message])
            if data_items - {b"UID"}:
                self._send(self._fetched(number, ParsedMessage(message), frozenset(data_items)))
        return imap.Code(b"MODIFIED", imap.uid_set(unchanged)) if unchanged else None

    def _identified(self, data_items: set[bytes]) -> set[bytes]:
        """Return the data items of a change, with UID and MODSEQ if needed (RFC 7162, 3.2.4)."""
        return data_items | {b"UID", b"MODSEQ"} if self.with_modseq else data_items

    def _change(self, message: Message, flags: set[bytes], *, silent: bool = False) -> None:
        """Change the flags. What others have changed is reported later if ``silent`` (6.4.6)."""
        reported = not silent or self.view.is_reported(message)
        if flags != message.flags:
            message.flags = flags
            self.mailbox.touch(message)
        if reported:
            self.view.mark_reported(message)

    def expunge(self, uids: bytes | None = None) -> bool:
        """Remove the messages flagged as deleted, only those in ``uids`` if given.

        Returns whether a message was removed. Raises Refused.
        """
        self.refuse_changes()
        among = None
        if uids is not None:
            among = frozenset(message.uid for _, message in self.view.with_uids(uids))
        return bool(self.mailbox.expunge(among))

    def copy(
        self, command: imap.Copy | imap.UidCopy | imap.Move | imap.UidMove, target: Mailbox
    ) -> imap.Code | None:
        """Copy or move messages; return the COPYUID code for a copy (RFC 4315). Raises Refused."""
        moves = isinstance(command, imap.Move | imap.UidMove)
        if moves:
            self.refuse_changes()
        found = [message for _, message in self.find(command)]
        there = {message.uid for message in self.mailbox.messages}
        if any(message.uid not in there for message in found):
            # All or nothing (6.4.7); with UIDs, expunged messages are skipped (6.4.8).
            if isinstance(command, imap.Copy | imap.Move):
                raise Refused("some of the messages are expunged", imap.Code(b"EXPUNGEISSUED"))
            found = [message for message in found if message.uid in there]
        if not found:
            return None
        copies: list[Message] = []
        for message in found:
            copied = target.append_chunks(message.size, message.chunks, *message.flags)
            copied.date, copied.known_pop3_size = message.date, message.known_pop3_size
            copies.append(copied)
        source, destination = (imap.uid_set(m.uid for m in each) for each in (found, copies))
        code = imap.Code(b"COPYUID", b"%d %b %b" % (target.uidvalidity, source, destination))
        if not moves:
            return code
        # COPYUID is sent before the EXPUNGE responses (RFC 6851, 4.3).
        self._send(imap.Status(imap.Condition.OK, code, b"moved"))
        self.mailbox.remove({message.uid for message in found})
        highest = imap.Code(b"HIGHESTMODSEQ", b"%d" % self.mailbox.modseq)
        return highest if self.counts_changes else None  # RFC 6851, 4.4


def is_modseq(word: bytes) -> bool:
    """Whether this is a mod-sequence value (RFC 7162, section 7)."""
    return word.isdigit() and len(word) <= 19


def between(chunks: Iterable[bytes], first: int, last: int) -> Iterator[bytes]:
    """Yield the octets from ``first`` up to, but not including, ``last``."""
    place = 0
    for chunk in chunks:
        if wanted := chunk[max(0, first - place) : max(0, last - place)]:
            yield wanted
        place += len(chunk)
        if place >= last:
            return


def reported_modseqs(modseqs: list[int], returning: tuple[bytes, ...] | None) -> list[int]:
    """Return the mod-sequences of the messages in a search result (RFC 7162, 3.1.10)."""
    if returning is None or {b"ALL", b"COUNT"} & set(returning):
        return modseqs
    lowest = modseqs[:1] if b"MIN" in returning else []
    return lowest + (modseqs[-1:] if b"MAX" in returning else [])


def esearch_result(
    numbers: list[int], returning: tuple[bytes, ...], by_uid: bool, modseq: int | None
) -> imap.FoundInShort:
    """Return the ESEARCH response to a search with result options (RFC 4731)."""
    return imap.FoundInShort(
        uid=by_uid,
        lowest=numbers[0] if numbers and b"MIN" in returning else None,
        highest=numbers[-1] if numbers and b"MAX" in returning else None,
        count=len(numbers) if b"COUNT" in returning else None,
        every=imap.uid_set(numbers) if numbers and b"ALL" in returning else None,
        modseq=modseq,
    )


def structure_items(
    examined: ParsedMessage, data_items: frozenset[bytes]
) -> Iterator[tuple[bytes, imap.Value]]:
    """Yield the data items that require the message to be parsed."""
    part = examined.part
    if b"ENVELOPE" in data_items:
        yield b"ENVELOPE", envelope_of(part)
    if b"BODY" in data_items:
        yield b"BODY", structure_of(part, extended=False)
    if b"BODYSTRUCTURE" in data_items:
        yield b"BODYSTRUCTURE", structure_of(part, extended=True)
