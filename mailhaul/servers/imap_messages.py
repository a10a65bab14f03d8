"""What an IMAP client does with the messages of the mailbox that it has open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from ..protocols.imap.arguments import BadSyntax
from ..protocols.imap.command_lines import read_flags
from ..protocols.imap.commands import (
    Copy,
    Fetch,
    Move,
    Search,
    Store,
    UidCopy,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
)
from ..protocols.imap.events import (
    BodyEnd,
    BodyStart,
    Code,
    Condition,
    Event,
    Fetched,
    Flags,
    Found,
    FoundInShort,
    Status,
    Vanished,
)
from ..protocols.imap.uid_sets import uid_set
from ..protocols.imap.values import Value
from .examined import Examined
from .imap_queries import ENTRIES, SYSTEM_FLAGS, Refused, TextItem, read_items, to_be_stored
from .imap_search import matching, read_query
from .mailboxes import Mailbox, Message, Numbered, View, within
from .mime import envelope_of, structure_of

CHANGES: dict[bytes, Callable[[set[bytes], set[bytes]], set[bytes]]] = {
    b"FLAGS": lambda old, named: set(named),
    b"+FLAGS": lambda old, named: old | named,
    b"-FLAGS": lambda old, named: old - named,
}
"""What the operations of STORE make of a message's flags."""

OnMessages = Fetch | Store | Copy | Move | UidFetch | UidStore | UidCopy | UidMove
Stream = Callable[[Message, bytes], Awaitable[None]]
"""Says a piece of a message's text, as fast as the client takes it."""


class OpenMailbox:
    """One mailbox as one session has it open. ``say`` takes the answers.

    ``counts_changes`` says that change numbers may be asked for (RFC 7162, 3.1), ``with_modseq``
    that the session has done so, and ``resyncs`` that QRESYNC is enabled.
    """

    def __init__(
        self, mailbox: Mailbox, read_only: bool, say: Callable[[Event], None], stream: Stream
    ) -> None:
        self.mailbox = mailbox
        self.view = View(mailbox, read_only=read_only)
        self.read_only = read_only
        self.with_modseq = self.resyncs = False
        self.counts_changes = True
        self._say = say
        self._stream = stream
        self._keywords: set[bytes] = set()

    def tell_flags(self) -> None:
        """Say which flags there are, and which may be set (7.2.6, 7.1)."""
        found = {flag for message in self.view.messages for flag in message.flags}
        self._keywords |= found.difference(SYSTEM_FLAGS)
        known = (*SYSTEM_FLAGS, *sorted(self._keywords))
        self._say(Flags(known))
        permanent = b"()" if self.read_only else b"(%b \\*)" % b" ".join(known)
        self._say(Status(Condition.OK, Code(b"PERMANENTFLAGS", permanent), b"flags that stay"))

    def tell_new_keywords(self, messages: Iterable[Message]) -> None:
        """Say which flags there are if these messages have others, before they are shown."""
        if any(not message.flags <= self._keywords.union(SYSTEM_FLAGS) for message in messages):
            self.tell_flags()

    def flags_of(self, message: Message) -> tuple[bytes, ...]:
        """Return the flags of a message as this session sees them."""
        recent = {rb"\Recent"} if message.uid in self.view.recent else set[bytes]()
        return tuple(sorted(message.flags | recent))

    def find(self, command: OnMessages) -> Numbered:
        """Return the messages that a command is about. Raises ValueError for no set."""
        match command:
            case Fetch() | Store() | Copy() | Move():
                return self.view.numbered(command.numbers)
            case _:
                return self.view.with_uids(command.uids)

    def refuse_changes(self) -> None:
        """Raise Refused where nothing may be changed."""
        if self.read_only:
            raise Refused("the mailbox is read-only")

    def _count_changes(self) -> None:
        """Tell change numbers from here on. Raises BadSyntax where there are none."""
        if not self.counts_changes:
            raise BadSyntax("change numbers are not offered here")
        self.with_modseq = True

    # Searching

    def search(self, command: Search | UidSearch) -> None:
        """Say what was found. Raises Refused."""
        by_uid = isinstance(command, UidSearch)
        query = read_query(command.criteria, self.view)
        returning = None if command.returning is None else command.returning or (b"ALL",)
        if unknown := set(returning or ()) - {b"MIN", b"MAX", b"COUNT", b"ALL"}:
            raise BadSyntax(f"{min(unknown).decode('ascii', 'replace')} cannot be returned here")
        found = matching(query, self.view)
        numbers = [message.uid if by_uid else number for number, message in found]
        modseq = None
        if query.with_modseq:
            self._count_changes()
            modseqs = [message.modseq for _, message in found]
            modseq = max(told_of(modseqs, returning), default=None)
        if returning is None:
            self._say(Found(tuple(numbers), modseq))
        else:
            self._say(in_short(numbers, returning, by_uid, modseq))

    # Fetching

    async def fetch(self, command: Fetch | UidFetch) -> None:
        """Say what was asked for. Raises Refused before anything is said."""
        texts, facts = read_items(command.items)
        by_uid = isinstance(command, UidFetch)
        found = self.find(command)
        if by_uid:
            facts |= {b"UID"}
        if command.modifiers:
            found = self._changed(command, found)
            facts |= {b"MODSEQ"}
        if b"MODSEQ" in facts:
            self._count_changes()
        if b"FLAGS" in facts:
            self.tell_new_keywords(message for _, message in found)
        for number, message in found:
            examined, missing = Examined(message), list[bytes]()
            for item in texts:
                text = None
                if item.section and (text := examined.section(item.section)) is None:
                    missing.append(item.name)
                else:
                    await self._send_text(number, message, item, text, with_uid=b"UID" in facts)
            seen = {b"FLAGS"} if self._mark(message, texts) else set[bytes]()
            self._say(self._fetched(number, examined, facts | seen, missing))

    def _changed(self, command: Fetch | UidFetch, found: Numbered) -> Numbered:
        """Return what has changed since, and say what is gone (RFC 7162, 3.1.4.1 and 3.2.6)."""
        match command.modifiers.upper().split(b" "):
            case [b"CHANGEDSINCE", since] if is_modseq(since):
                pass
            case [b"CHANGEDSINCE", since, b"VANISHED"] if is_modseq(since) and self.resyncs:
                if not isinstance(command, UidFetch):
                    raise BadSyntax("VANISHED goes with UID FETCH")
                self.tell_vanished(int(since), command.uids)
            case _:
                raise BadSyntax("these modifiers are not known here")
        return [(n, message) for n, message in found if message.modseq > int(since)]

    def tell_vanished(self, since: int, uids: bytes) -> None:
        """Say which of these UIDs are gone since a change number (RFC 7162, 3.2.6)."""
        if told := within(self.mailbox.gone_since(since), uids, self.mailbox.uidnext - 1):
            self._say(Vanished(uid_set(told), earlier=True))

    def _fetched(
        self,
        number: int,
        examined: Examined,
        facts: frozenset[bytes],
        missing: Sequence[bytes] = (),
    ) -> Fetched:
        """Return what is said of a message apart from its text; what is ``missing`` is NIL."""
        others: list[tuple[bytes, Value]] = [(name, None) for name in missing]
        if facts & ENTRIES:
            others += entries_of(examined, facts)
        message = examined.message
        return Fetched(
            number,
            message.uid if b"UID" in facts else None,
            message.size if b"RFC822.SIZE" in facts else None,
            self.flags_of(message) if b"FLAGS" in facts else None,
            message.date if b"INTERNALDATE" in facts else None,
            message.modseq if b"MODSEQ" in facts else None,
            tuple(others),
        )

    def _mark(self, message: Message, texts: list[TextItem]) -> bool:
        """Set \\Seen where reading does that; tell whether it was not set before."""
        marks = any(item.marks for item in texts) and not self.read_only
        if not marks or rb"\Seen" in message.flags:
            return False
        self._change(message, message.flags | {rb"\Seen"})
        return True

    async def _send_text(
        self, number: int, message: Message, item: TextItem, text: bytes | None, *, with_uid: bool
    ) -> None:
        """Say a text: a section, or the whole message piece by piece."""
        uid = message.uid if with_uid else None
        size = message.size if text is None else len(text)
        chunks = message.chunks() if text is None else (text,)
        origin = None
        if item.partial:
            origin, most = item.partial
            chunks = between(chunks, origin, origin + most)
            size = max(0, min(size - origin, most))
        self._say(BodyStart(number, uid, item.section, size, item.old_name, origin))
        for chunk in chunks:
            await self._stream(message, chunk)
        self._say(BodyEnd())

    # Changing

    def store(self, command: Store | UidStore) -> Code | None:
        """Change flags; return the code that names those left alone. Raises Refused."""
        self.refuse_changes()
        by_uid = isinstance(command, UidStore)
        found = self.find(command)
        named = to_be_stored(read_flags(command.flags))
        change, _, silent = command.operation.upper().partition(b".")
        since = command.unchanged_since
        if since is not None:
            self._count_changes()
        facts = {b"UID"} if by_uid else set[bytes]()
        facts |= set[bytes]() if silent else {b"FLAGS"}
        facts |= {b"MODSEQ"} if self.with_modseq else set[bytes]()
        left_alone: list[int] = []
        for number, message in found:
            if since is not None and message.modseq > since:
                left_alone.append(message.uid if by_uid else number)
                continue
            self._change(message, CHANGES[change](message.flags, named))
            self.tell_new_keywords([message])
            if facts - {b"UID"}:
                self._say(self._fetched(number, Examined(message), frozenset(facts)))
        return Code(b"MODIFIED", uid_set(left_alone)) if left_alone else None

    def _change(self, message: Message, flags: set[bytes]) -> None:
        if flags != message.flags:
            message.flags = flags
            self.mailbox.touch(message)
        self.view.tell(message)

    def expunge(self, uids: bytes | None = None) -> bool:
        """Remove what is flagged as deleted, among these UIDs if given; tell whether there was any.

        Raises Refused.
        """
        self.refuse_changes()
        among = None
        if uids is not None:
            among = frozenset(message.uid for _, message in self.view.with_uids(uids))
        return bool(self.mailbox.expunge(among))

    def copy(self, command: Copy | UidCopy | Move | UidMove, target: Mailbox) -> Code | None:
        """Copy or move messages; return the code that says where they are (RFC 4315)."""
        moves = isinstance(command, Move | UidMove)
        if moves:
            self.refuse_changes()
        found = [message for _, message in self.find(command)]
        there = {message.uid for message in self.mailbox.messages}
        if any(message.uid not in there for message in found):
            # All or nothing (6.4.7); with UIDs, what is gone is passed over (6.4.8).
            if isinstance(command, Copy | Move):
                raise Refused("some of the messages are gone", Code(b"EXPUNGEISSUED"))
            found = [message for message in found if message.uid in there]
        if not found:
            return None
        copies: list[Message] = []
        for message in found:
            copied = target.append_chunks(message.size, message.chunks, *message.flags)
            copied.date, copied.as_sent = message.date, message.as_sent
            copies.append(copied)
        source, destination = (uid_set(m.uid for m in each) for each in (found, copies))
        code = Code(b"COPYUID", b"%d %b %b" % (target.uidvalidity, source, destination))
        if not moves:
            return code
        # Where the messages are now is said before they are gone (RFC 6851, 4.3).
        self._say(Status(Condition.OK, code, b"moved"))
        self.mailbox.remove({message.uid for message in found})
        return None


def is_modseq(word: bytes) -> bool:
    """Whether this is a change number (RFC 7162, section 7)."""
    return word.isdigit() and len(word) <= 19


def between(chunks: Iterable[bytes], first: int, last: int) -> Iterator[bytes]:
    """Yield the octets from ``first`` up to, but not with, ``last``."""
    place = 0
    for chunk in chunks:
        if wanted := chunk[max(0, first - place) : max(0, last - place)]:
            yield wanted
        place += len(chunk)
        if place >= last:
            return


def told_of(modseqs: list[int], returning: tuple[bytes, ...] | None) -> list[int]:
    """Return the change numbers of the messages that an answer is about (RFC 7162, 3.1.10)."""
    if returning is None or {b"ALL", b"COUNT"} & set(returning):
        return modseqs
    lowest = modseqs[:1] if b"MIN" in returning else []
    return lowest + (modseqs[-1:] if b"MAX" in returning else [])


def in_short(
    numbers: list[int], returning: tuple[bytes, ...], by_uid: bool, modseq: int | None
) -> FoundInShort:
    """Return the answer to a search with result options (RFC 4731)."""
    return FoundInShort(
        uid=by_uid,
        lowest=numbers[0] if numbers and b"MIN" in returning else None,
        highest=numbers[-1] if numbers and b"MAX" in returning else None,
        count=len(numbers) if b"COUNT" in returning else None,
        every=uid_set(numbers) if numbers and b"ALL" in returning else None,
        modseq=modseq,
    )


def entries_of(examined: Examined, facts: frozenset[bytes]) -> Iterator[tuple[bytes, Value]]:
    """Yield what can be known only by taking a message apart."""
    part = examined.part
    if b"ENVELOPE" in facts:
        yield b"ENVELOPE", envelope_of(part)
    if b"BODY" in facts:
        yield b"BODY", structure_of(part, extended=False)
    if b"BODYSTRUCTURE" in facts:
        yield b"BODYSTRUCTURE", structure_of(part, extended=True)
