"""What an IMAP client does with the messages of the mailbox that it has open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...protocols.imap.commands import (
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
from ...protocols.imap.events import (
    BodyEnd,
    BodyStart,
    Code,
    Condition,
    Event,
    Fetched,
    Found,
    FoundInShort,
    Status,
    Vanished,
)
from ...protocols.imap.uid_sets import uid_set
from ...protocols.imap.values import Value
from .imap_queries import ENTRIES, Refused, TextItem, canonical, part_of, read_items, search
from .mailboxes import Mailbox, Message, Numbered, View

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

    ``with_modseq`` says that the session has asked for change numbers (RFC 7162, 3.1).
    """

    def __init__(
        self, mailbox: Mailbox, read_only: bool, say: Callable[[Event], None], stream: Stream
    ) -> None:
        self.mailbox = mailbox
        self.view = View(mailbox)
        self.read_only = read_only
        self.with_modseq = False
        self._say = say
        self._stream = stream

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

    # Searching

    def search(self, command: Search | UidSearch) -> None:
        """Say what was found. Raises Refused."""
        by_uid = isinstance(command, UidSearch)
        found = search(command.criteria, self.view)
        numbers = [message.uid if by_uid else number for number, message in found]
        modseq = None
        if b"MODSEQ" in command.criteria.upper().split():
            self.with_modseq = True
            modseq = max((message.modseq for _, message in found), default=None)
        if command.returning is None:
            self._say(Found(tuple(numbers), modseq))
        else:
            self._say(in_short(numbers, command.returning or (b"ALL",), by_uid, modseq))

    # Fetching

    async def fetch(self, command: Fetch | UidFetch) -> None:
        """Say what was asked for. Raises Refused before anything is said."""
        texts, facts = read_items(command.items)
        by_uid = isinstance(command, UidFetch)
        found = self.find(command)
        if by_uid:
            facts |= {b"UID"}
        if command.modifiers:
            found = self._changed(found, command.modifiers.upper().split())
            facts |= {b"MODSEQ"}
        self.with_modseq = self.with_modseq or b"MODSEQ" in facts
        for number, message in found:
            for item in texts:
                await self._send_text(number, message, item, with_uid=b"UID" in facts)
            if self._mark(message, texts):
                self._say(self._fetched(number, message, facts | {b"FLAGS"}))
            elif facts or texts:
                self._say(self._fetched(number, message, facts))

    def _changed(self, found: Numbered, modifiers: list[bytes]) -> Numbered:
        """Return what has changed since, and say what is gone (RFC 7162, 3.1.4.1 and 3.2.6)."""
        match modifiers:
            case [b"CHANGEDSINCE", since, *more] if since.isdigit() and more in ([], [b"VANISHED"]):
                gone = self.mailbox.gone_since(int(since)) if more else []
                if gone:
                    self._say(Vanished(uid_set(gone), earlier=True))
                return [(n, message) for n, message in found if message.modseq > int(since)]
            case _:
                raise Refused("these modifiers are not known here")

    def _fetched(self, number: int, message: Message, facts: frozenset[bytes]) -> Fetched:
        others: tuple[tuple[bytes, Value], ...] = ()
        if facts & ENTRIES:
            others = entries_of(message, facts)
        return Fetched(
            number,
            message.uid if b"UID" in facts else None,
            message.size if b"RFC822.SIZE" in facts else None,
            tuple(sorted(message.flags)) if b"FLAGS" in facts else None,
            message.date if b"INTERNALDATE" in facts else None,
            message.modseq if b"MODSEQ" in facts else None,
            others,
        )

    def _mark(self, message: Message, texts: list[TextItem]) -> bool:
        """Set \\Seen where reading does that; tell whether it was not set before."""
        marks = any(item.marks for item in texts) and not self.read_only
        if not marks or rb"\Seen" in message.flags:
            return False
        self._change(message, message.flags | {rb"\Seen"})
        return True

    async def _send_text(
        self, number: int, message: Message, item: TextItem, *, with_uid: bool
    ) -> None:
        uid = message.uid if with_uid else None
        origin = item.partial[0] if item.partial else None
        if not item.section and item.partial is None:
            self._say(BodyStart(number, uid, b"", message.size, item.old_name))
            for chunk in message.chunks():
                await self._stream(message, chunk)
        else:
            text = part_of(message.text, item.section) or b""
            if item.partial:
                text = text[item.partial[0] :][: item.partial[1]]
            self._say(BodyStart(number, uid, item.section, len(text), item.old_name, origin))
            await self._stream(message, text)
        self._say(BodyEnd())

    # Changing

    def store(self, command: Store | UidStore) -> Code | None:
        """Change flags; return the code that names those left alone. Raises Refused."""
        self.refuse_changes()
        by_uid = isinstance(command, UidStore)
        found = self.find(command)
        named = {canonical(flag) for flag in command.flags.strip(b"()").split()}
        change, _, silent = command.operation.upper().partition(b".")
        if change not in CHANGES or silent not in {b"", b"SILENT"}:
            raise Refused("flags cannot be changed like this")
        since = command.unchanged_since
        self.with_modseq = self.with_modseq or since is not None
        facts = {b"UID"} if by_uid else set[bytes]()
        facts |= set[bytes]() if silent else {b"FLAGS"}
        facts |= {b"MODSEQ"} if self.with_modseq else set[bytes]()
        left_alone: list[int] = []
        for number, message in found:
            if since is not None and message.modseq > since:
                left_alone.append(message.uid if by_uid else number)
                continue
            self._change(message, CHANGES[change](message.flags, named))
            if facts - {b"UID"}:
                self._say(self._fetched(number, message, frozenset(facts)))
        return Code(b"MODIFIED", uid_set(left_alone)) if left_alone else None

    def _change(self, message: Message, flags: set[bytes]) -> None:
        if flags != message.flags:
            message.flags = flags
            self.mailbox.touch(message)
        self.view.tell(message)

    def expunge(self, uids: bytes | None = None) -> None:
        """Remove what is flagged as deleted, among these UIDs if given. Raises Refused."""
        self.refuse_changes()
        among = None
        if uids is not None:
            among = frozenset(message.uid for _, message in self.view.with_uids(uids))
        self.mailbox.expunge(among)

    def copy(self, command: Copy | UidCopy | Move | UidMove, target: Mailbox) -> Code | None:
        """Copy or move messages; return the code that says where they are (RFC 4315)."""
        moves = isinstance(command, Move | UidMove)
        if moves:
            self.refuse_changes()
        found = [message for _, message in self.find(command)]
        if not found:
            return None
        copies: list[Message] = []
        for message in found:
            copied = target.append_chunks(message.size, message.chunks, *message.flags)
            copied.date = message.date
            copies.append(copied)
        source, destination = (uid_set(m.uid for m in each) for each in (found, copies))
        code = Code(b"COPYUID", b"%d %b %b" % (target.uidvalidity, source, destination))
        if not moves:
            return code
        # Where the messages are now is said before they are gone (RFC 6851, 4.3).
        self._say(Status(Condition.OK, code, b"moved"))
        self.mailbox.remove({message.uid for message in found})
        return None


def in_short(
    numbers: list[int], returning: tuple[bytes, ...], by_uid: bool, modseq: int | None
) -> FoundInShort:
    """Return the answer to a search with result options (RFC 4731). Raises Refused."""
    if unknown := set(returning) - {b"MIN", b"MAX", b"COUNT", b"ALL"}:
        raise Refused(f"{min(unknown).decode('ascii', 'replace')} cannot be returned here")
    return FoundInShort(
        uid=by_uid,
        lowest=numbers[0] if numbers and b"MIN" in returning else None,
        highest=numbers[-1] if numbers and b"MAX" in returning else None,
        count=len(numbers) if b"COUNT" in returning else None,
        every=uid_set(numbers) if numbers and b"ALL" in returning else None,
        modseq=modseq,
    )


def entries_of(message: Message, facts: frozenset[bytes]) -> tuple[tuple[bytes, Value], ...]:
    """Return what can be known only by taking a message apart."""
    from .mime import Part, envelope_of, structure_of  # loads the email package

    part = Part(message.text)
    found: list[tuple[bytes, Value]] = []
    if b"ENVELOPE" in facts:
        found.append((b"ENVELOPE", envelope_of(part)))
    if b"BODY" in facts:
        found.append((b"BODY", structure_of(part, extended=False)))
    if b"BODYSTRUCTURE" in facts:
        found.append((b"BODYSTRUCTURE", structure_of(part, extended=True)))
    return tuple(found)
