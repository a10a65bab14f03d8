"""A POP3 session up to the point where messages can be read: login and listing.

Reading and deleting messages is in pop3.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

from ... import pop3
from ...flows.channel import Channel
from ...flows.outcome import ExitCode, PollFailed
from ...flows.pace import Pace
from ...flows.report import Remark, Report
from ...flows.requests import Close, TimedOut, Wait
from ...flows.source import (
    Listed,
    Opened,
    Uid,
)
from ...protocols.errors import (
    ConnectionLost,
    LocalProtocolError,
)
from ...protocols.machine import NeedData
from ..login.access import Access, NoteRest, excerpt
from ..login.pop3 import Avoided, PassDropped, greet
from .pop3_listing import Listing

UIDL = b"UIDL"
NO_KEEP = 'without unique ids mail that is kept would be fetched again in every poll: use "no keep"'
MAX_HEADER = 64 * 1024
"""The maximum octets of a header that are used for the fingerprint."""
MAX_OUTSTANDING = 200
"""The maximum number of outstanding commands at a server with PIPELINING."""
MAILLENNIUM = b"Maillennium POP3"
"""The greeting of servers that truncate the reply to TOP."""
INBOX = "INBOX"
FOR_ONE = (pop3.Retrieve, pop3.Top, pop3.Delete, pop3.Envelope, pop3.Quit, pop3.Capa, pop3.StartTls)
"""Commands whose refusal does not concern the whole maildrop."""


class Refusals(pop3.Tap):
    """Looks in negative replies for the rest that a server wants."""

    __slots__ = ("_note_rest", "throttled")
    events = frozenset({pop3.Completed, pop3.TurnedAway})

    def __init__(self, note_rest: NoteRest) -> None:
        self._note_rest = note_rest
        self.throttled = False
        """Whether the server has named a time for which it wants no requests."""

    def returned(self, event: object) -> None:
        """Handle a reply."""
        match event:
            case pop3.Completed(command, False, text, code):
                self._look(text, code, for_all=not isinstance(command, FOR_ONE))
            case pop3.TurnedAway(code, text):
                self._look(text, code, for_all=True)
            case _:
                pass

    def _look(self, text: bytes, code: pop3.ResponseCode | None, *, for_all: bool) -> None:
        from ..login.throttled import rest_wanted  # few replies are negative

        if wanted := rest_wanted(text, code.value if code else b"", for_all=for_all):
            self.throttled = self.throttled or wanted.explicit
            self._note_rest(wanted)


class Pop3Maildrop:
    """One POP3 account: connect, list, and read sizes and headers without marking messages."""

    remembers = False
    reuses_uids = True
    expunges_all = False
    settles_at_close = True
    refused_at_close = False

    def __init__(
        self,
        access: Access,
        report: Report,
        *,
        apop: bool = False,
        retrieve: bool = False,
        remember: bool = False,
        sdps: bool = False,
        login_delay: Callable[[float], None] | None = None,
    ) -> None:
        self._access = access
        self._report = report
        self._apop = apop
        self._wants_retrieve = retrieve
        self._remember = remember
        self._sdps = sdps
        self._report_login_delay = login_delay
        self._avoided = Avoided()
        # Whether to send only one command at a time, since replies could not be matched otherwise.
        self._one_by_one = False
        self.timeout = access.timeout
        self.total = 0
        self.octets: int | None = None
        self.in_sessions = True
        self.mailbox = INBOX
        self._refusals: Refusals | None = None
        self._begin()

    def _begin(self) -> None:
        machine = pop3.Client(tap=self._tap(), read_only=self._access.read_only)
        pace = Pace(machine, self.timeout)
        self.channel: Channel[pop3.Client] = Channel(self._access.peer, machine, pace=pace)
        self._listing = Listing(0)
        self._known: dict[Uid, Listed] = {}
        self._waiting: deque[pop3.Command] = deque()
        self._top_refused: set[int] = set()
        self._retrieve = self._wants_retrieve
        self._has_top = True
        self._deletes = False
        self._at_risk: set[int] = set()
        self._login_delay = 0.0

    def _tap(self) -> pop3.Tap | None:
        """Return what observes the machine."""
        tap, note_rest = self._access.tap, self._access.note_rest
        if note_rest is None:
            return tap
        self._refusals = Refusals(note_rest)
        return pop3.Taps(tap, self._refusals) if tap else self._refusals

    # Connecting

    async def open(self) -> None:
        """Connect, secure the connection and log in, with a new machine."""
        greeting = await self._greet()
        self.total = 0
        capabilities = self.channel.machine.capabilities
        self._has_top = not capabilities or b"TOP" in capabilities
        # With EXPIRE 0 every message requested by RETR is removed at QUIT (RFC 2449, 6.7).
        self._deletes = capabilities.get(b"EXPIRE", ())[:1] == (b"0",)
        wanted = self._wants_retrieve and not self._deletes
        self._retrieve = wanted or not self._has_top or MAILLENNIUM in greeting
        # "900", or "900 USER" if it differs between users (RFC 2449, 6.5).
        delay, *_ = (*capabilities.get(b"LOGIN-DELAY", ()), b"")
        self._login_delay = float(delay) if delay.isdigit() else 0.0
        if self._report_login_delay:
            self._report_login_delay(self._login_delay)

    async def _greet(self) -> bytes:
        """Connect and log in; retry if the server hangs up on a command that is not essential."""
        while True:
            self._begin()
            try:
                return await greet(self.channel, self._access, self._avoided, apop=self._apop)
            except (ConnectionLost, LocalProtocolError, PassDropped):
                if not self._avoided.avoid_last():
                    raise
                await Close(self.channel)

    async def mailboxes(
        self, wanted: Sequence[str], elsewhere: Sequence[str] = ()
    ) -> Sequence[str]:
        """Return only the first name: a maildrop is a single mailbox with any name."""
        return wanted[:1]

    async def select(self, mailbox: str, *, read_only: bool) -> Opened:
        """List the maildrop. Raises PollFailed (PROTOCOL) if the server refuses."""
        self.mailbox = mailbox
        try:
            await self._list()
        except (ConnectionLost, LocalProtocolError, TimedOut) as error:
            late = isinstance(error, TimedOut)
            if not (self._drops_commands() if late else self._avoided.avoid_last()):
                raise
            await Close(self.channel)
            await self.open()
            await self._list()
        return Opened(0, False)

    async def _list(self) -> None:
        """List the messages by STAT, UIDL and LIST, in one write if the server has PIPELINING."""
        self.octets = 0
        # GNU pop3d writes the ids into the messages at UIDL, which changes their sizes.
        commands: list[pop3.Command] = [pop3.List(in_blocks=True)]
        if UIDL not in self._avoided.names:
            commands.insert(0, pop3.Uidl(in_blocks=True))
        together = self._most_outstanding > 1
        if not together or await self._ask_all(self._add, pop3.Stat(), *commands):
            # A doubtful reply may be that to another command, so it is asked again, one by one.
            self._one_by_one = self._one_by_one or together
            await self._ask_all(self._add, pop3.Stat())
            if self.total:
                await self._ask_all(self._add, *commands)
        listing = self._listing
        listing.close()
        if self._remember and listing.without_id:
            self._report_missing_ids(listing)
        self.in_sessions = not (listing.without_id or self._login_delay)

    def _drops_commands(self) -> bool:
        """Whether the server may drop commands that are pipelined; then none are from now on.

        Call it after a timeout. A server that has not even answered the first one is only slow.
        """
        left = self.channel.machine.outstanding
        dropped = len(left) > 0 and not isinstance(left[0], pop3.Stat)
        together, self._one_by_one = self._most_outstanding > 1, self._one_by_one or dropped
        return dropped and together

    def _add(self, event: pop3.Event) -> None:
        match event:
            case pop3.Counted(count, size):
                self.total = count
                self.octets = size
                self._listing = Listing(count, named_only=self._remember)
            case pop3.UniqueIdBlock(numbers, uids):
                self._listing.add_ids(numbers, uids)
            case pop3.ListedBlock(numbers, sizes):
                self._listing.add_sizes(numbers, sizes)
            case pop3.UniqueId(number, uid):
                self._listing.add_ids([number], [uid])
            case pop3.Listed(number, size):
                self._listing.add_sizes([number], [size])
            case _:
                pass

    def _report_missing_ids(self, listing: Listing) -> None:
        """Report messages that are left because the ledger could not record them as read."""
        if not listing.has_ids:
            raise PollFailed(ExitCode.PROTOCOL, f"{self._access.peer}: UIDL gave no ids: {NO_KEEP}")
        if not listing.latest_without_id:
            # Mail that arrived between UIDL and LIST will have its id in the next poll.
            self._report_error(f"{listing.without_id} message(s) are left: {NO_KEEP}")

    @property
    def deletes_on_retrieval(self) -> bool:
        """Whether messages are read by RETR at a server that deletes them then (EXPIRE 0)."""
        return self._deletes and self._retrieve

    # Listing

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        """List all messages: only the ledger knows which are new."""
        return self._listing

    async def old(self) -> Sequence[Listed]:
        """List all messages: only the ledger knows which are old."""
        return self._listing

    async def sizes(self, uids: Sequence[Uid]) -> Mapping[Uid, int]:
        """Return the sizes of these messages in octets. Missing ones are left out."""
        found = self._listing.find(uids)
        self._known.update(found)
        return {uid: message.size for uid, message in found.items()}

    async def arrived_since(self, date: bytes) -> Collection[Uid] | None:
        """Return None: POP3 knows no dates."""
        return None

    async def contents(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return nothing: a maildrop is the only mailbox."""
        return {}

    async def levels(self, mailbox: str) -> tuple[bytes, ...]:
        """Return the levels of the only mailbox."""
        return (b"INBOX",)

    async def headers(
        self, uids: Sequence[Uid], fields: Sequence[bytes] = ()
    ) -> Mapping[Uid, bytes]:
        """Return the headers of existing messages by TOP; an empty mapping if TOP is missing."""
        if not self._has_top:
            return {}
        found = self._listing.find(uids)
        self._known.update(found)
        headers: dict[Uid, bytearray] = {}

        def take(event: pop3.Event) -> None:
            match event:
                case pop3.BodyStart(number):
                    headers[self._listing.numbered(number).uid] = bytearray()
                case pop3.BodyChunk(data):
                    header = headers[next(reversed(headers))]
                    header += data[: MAX_HEADER - len(header)]
                case _:
                    pass

        await self._ask_all(take, *[pop3.Top(message.number, 0) for message in found.values()])
        return {uid: bytes(header) for uid, header in headers.items() if header}

    async def whole_headers(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        """Return the same: TOP sends whole headers."""
        return await self.headers(uids)

    async def _ask_all(self, take: Callable[[pop3.Event], None], *commands: pop3.Command) -> bool:
        """Send commands, pipelined if possible; call ``take`` with each event before a reply.

        Return whether a reply was doubtful.
        """
        doubtful = False
        self._waiting.extend(commands)
        machine = self.channel.machine
        for command in commands:
            self._send_waiting()
            # The end of a text that nobody wants any more may come first.
            while not isinstance(event := machine.next_event(), pop3.Completed) or (
                event.command is not command
            ):
                if isinstance(event, NeedData):
                    await Wait([self.channel], self.timeout)
                else:
                    take(event)
            doubtful = doubtful or event.doubtful
            if not event.doubtful:
                self._check(event)
        return doubtful

    def _check(self, reply: pop3.Completed) -> None:
        """Raise PollFailed if the server refuses an essential command."""
        asked_for_ids = isinstance(reply.command, pop3.Uidl)
        # If a server supports UIDL but refuses it now, messages would be read again.
        has_ids = b"UIDL" in self.channel.machine.capabilities
        if reply.positive or isinstance(reply.command, pop3.Top):
            self._avoided.last = None
            return
        if not self.total and isinstance(reply.command, pop3.Uidl | pop3.List):
            # Some servers refuse to list an empty maildrop.
            return
        if asked_for_ids and not self._remember and not has_ids:
            self._avoided.last = UIDL
            return
        what = f"{type(reply.command).__name__.upper()} failed: {excerpt(reply.text)}"
        if asked_for_ids and self._remember:
            what += f"; {NO_KEEP}"
        raise PollFailed(ExitCode.PROTOCOL, f"{self._access.peer}: {what}")

    @property
    def _most_outstanding(self) -> int:
        """How many commands may be sent before the reply to the first."""
        ahead = b"PIPELINING" in self.channel.machine.capabilities and not self._one_by_one
        return MAX_OUTSTANDING if ahead and not self.deletes_on_retrieval else 1

    def _send_waiting(self) -> None:
        """Send as many waiting commands as allowed now; none after a protocol error."""
        machine = self.channel.machine
        self._one_by_one = self._one_by_one or machine.in_doubt
        if not self._waiting:
            return
        room = self._most_outstanding - len(machine.outstanding)
        while self._waiting and room > 0 and not machine.failed:
            room -= 1
            command = self._waiting.popleft()
            if self._deletes and isinstance(command, pop3.Retrieve):
                self._at_risk.add(command.number)
            machine.send(command)

    def _report_error(self, what: str) -> None:
        self._report(Remark(f"{self._access.peer}: {what}", error=True))
