"""One poll of one account, from connect to log-out.

What goes wrong belongs to a message, a mailbox or the whole poll, and is caught there: a
message that cannot be read or delivered stays on the server and those behind it go on; a
server that hangs up inside a message is visited again, for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..protocols.errors import ProtocolError
from .account import Account, Action
from .channel import describe
from .choose import Choice, choose
from .memory import Held, Ledger, Owed, Page
from .outcome import CutOff, ExitCode, PollFailed, Tally, code_of
from .report import Counted, LimitReached, Report, Said, Skipped
from .requests import Note, Now, RuntimeFault
from .settle import note_confirmed
from .sink import Sink, post
from .source import Listed, Source, Uid

if TYPE_CHECKING:
    from .parcel import Packer
    from .reminders import Reminders

RECONNECTS = 3
"""How often a poll comes back after the server hung up inside a message."""


class Poll:
    """One poll of one account. ``run`` is its story.

    ``sink`` makes the sink, which is called for the first message only: a poll that finds
    nothing loads and opens nothing to put it in. ``sink_name`` is how the ledger knows it. Once
    ``stopping`` says so, no further message is asked for. With ``reminders`` the user is told by
    mail of what is too large.
    """

    def __init__(
        self,
        account: Account,
        source: Source,
        sink_name: str,
        sink: Callable[[], Sink],
        ledger: Ledger,
        packer: Callable[[Sink], Packer],
        report: Report,
        stopping: Callable[[], bool] = lambda: False,
        reminders: Reminders | None = None,
    ) -> None:
        self._stopping = stopping
        self._reminders = reminders
        self._oversized: dict[str, Sequence[Listed]] = {}
        self._account = account
        self._source = source
        self._sink_name = sink_name
        self._make_sink = sink
        self._sink: Sink | None = None
        self._ledger = ledger
        self._packer = packer
        self._report = report
        self._tally = Tally()
        self._new = 0
        self._left = 0
        self._mailbox = ""
        self._is_last = False
        self._cut_off = 0
        self._tried: dict[str, set[Uid]] = {}
        self._done: set[str] = set()
        self._page: Page | None = None
        self._seen: Mapping[Uid, int] = {}

    async def run(self) -> ExitCode:
        """Poll the account and return how it went. Raises PollFailed."""
        patience = RECONNECTS
        again, failure = await self._visit()
        while again and patience and not self._stopping():
            patience -= failure is not None
            again, failure = await self._visit()
        if self._reminders and self._oversized:
            await self._remind(self._reminders)
        if self._sink:
            await self._sink.close()
        if failure is None and self._cut_off:
            failure = PollFailed(
                ExitCode.SOCKET,
                f"{self._source.channel.peer}: {self._cut_off} message(s) stay on the "
                "server because the connection failed while they were sent",
            )
        if failure:
            raise failure
        return self._exit_code()

    async def _visit(self) -> tuple[bool, PollFailed | None]:
        """Make one connection; return whether to come back, and what went wrong."""
        again = False
        failure: PollFailed | None = None
        try:
            await self._source.open()
            account = self._account
            mailboxes = await self._source.mailboxes(account.mailboxes, account.elsewhere)
            for mailbox in mailboxes:
                if mailbox not in self._done and not self._stopping():
                    self._is_last = mailbox == mailboxes[-1]
                    if again := await self._collect(mailbox):
                        break
                    self._done.add(mailbox)
        except PollFailed as error:
            failure = error
        except CutOff as error:
            again = error.uid is not None
            if error.uid is not None:
                self._tried[self._mailbox].add(error.uid)
                self._cut_off += 1
            failure = await self._explain(error.cause)
        except (ProtocolError, RuntimeFault) as error:
            failure = await self._explain(error)
        await self._leave()
        if failure and again:
            self._report(Said(str(failure), error=True))
        return again, failure

    async def _explain(self, error: Exception) -> PollFailed:
        """Close the connection and say what happened, with what a plugin said last."""
        await self._leave()
        return PollFailed(code_of(error), describe(self._source.channel, error))

    async def _leave(self) -> None:
        """Close the connection; some servers do only then what they were asked."""
        await self._source.close()
        page, self._page = self._page, None
        if page:
            await note_confirmed(self._source, page, self._account.action)

    async def _collect(self, name: str) -> bool:
        """Bring home what is new in one mailbox; return whether another session is to go on."""
        account, source = self._account, self._source
        self._mailbox = name
        opened = await source.select(name, read_only=account.check_only)
        if not source.total:
            self._report(Counted(name, 0, 0))
            return False
        page = await Note(
            lambda: self._ledger.page(account.name, self._sink_name, name, opened.uidvalidity)
        )
        self._page = page
        owed = await Note(page.owed)
        if owed and not account.check_only:
            await self._repay(page, owed)
        listed = await source.new(everything=account.fetchall)
        if not source.remembers:
            listed = await self._unseen(page, listed)
        held = await self._held(page, listed)
        tried = self._tried.setdefault(name, set())
        excluded = tried | {row.uid for row in owed}
        choice = choose(account, listed, excluded, self._tally.read, held)
        seen = max(0, source.total - len(listed))
        if not source.remembers:
            # With fetchall they are listed, and counted as seen all the same.
            seen = max(seen, sum(message.uid in self._seen for message in listed))
        self._report(Counted(name, source.total, seen, source.octets))
        self._new += len(choice.fetch)
        if account.check_only:
            return False
        await self._skip(page, choice)
        total, read = source.total, self._tally.read
        fetch = self._for_this_session(choice.fetch)
        if fetch:
            await self._carry(page, fetch, tried, self._is_last and len(fetch) == len(choice.fetch))
        elif choice.oversized:
            # What was flushed unread is answered before anything ends the connection.
            await source.finish()
        if len(fetch) < len(choice.fetch):
            return True
        if account.flush and not account.fetchall:
            await self._flush(page)
        if choice.left:
            self._left += choice.left
            brought = self._tally.read - read
            self._report(LimitReached(account.fetchlimit, total - brought))
        return False

    def _for_this_session(self, messages: Sequence[Listed]) -> Sequence[Listed]:
        """Return how many at most are deleted before the server is to make it so (``expunge``)."""
        account = self._account
        divided = account.expunge and self._source.in_sessions and not account.keep
        return messages[: account.expunge] if divided else messages

    async def _unseen(self, page: Page, listed: Sequence[Listed]) -> Sequence[Listed]:
        """Return what the ledger does not know as seen; drop its rows on what is gone.

        A server may give the UID of a message that is gone to another one.
        """
        known = await Note(page.known)
        there = {message.uid for message in listed}
        gone = [uid for uid in known if uid not in there]
        if gone and not self._account.check_only:
            await Note(lambda: page.settled(gone))
        self._seen = {uid: size for uid, size in known.items() if size is not None}
        if self._account.fetchall:
            return listed
        return [message for message in listed if message.uid not in self._seen]

    async def _held(self, page: Page, listed: Sequence[Listed]) -> Mapping[Uid, Held]:
        """Return what no sink took before and is still there; forget what is not.

        A UID with another size is another message.
        """
        rows = await Note(page.held)
        if not rows:
            return {}
        sizes = {message.uid: message.size for message in listed}
        if missing := [row.uid for row in rows if row.uid not in sizes]:
            sizes |= await self._source.sizes(missing)
        # 0 stands for a size that the server does not tell.
        gone = {row.uid for row in rows if sizes.get(row.uid, -1) not in (0, row.size)}
        if gone and not self._account.check_only:
            await Note(lambda: page.settled(list(gone)))
        held = {row.uid: row for row in rows if row.uid not in gone}
        if aside := sum(row.set_aside for row in held.values()):
            text = f'{aside} message(s) in quarantine; see "mailhaul quarantine list"'
            self._report(Said(text, error=False))
        return held

    async def _carry(
        self, page: Page, messages: Sequence[Listed], tried: set[Uid], last: bool
    ) -> None:
        from .ferry import Ferry

        self._sink = sink = self._sink or self._make_sink()
        ferry = Ferry(
            self._account, self._source, sink, page, self._packer, self._report, self._tally
        )
        ferry.tried = tried
        ferry.stopping = self._stopping
        ferry.last = last
        await ferry.run(messages, self._source.total)

    async def _repay(self, page: Page, owed: Sequence[Owed]) -> None:
        """Do what an earlier poll did not come to: only on rows that match exactly."""
        sizes = await self._source.sizes([row.uid for row in owed])
        # 0 stands for a size that the server does not tell: that row waits for the next poll.
        gone = [row.uid for row in owed if sizes.get(row.uid, -1) not in (0, row.size)]
        for action in Action:
            due = [r.uid for r in owed if r.action is action and sizes.get(r.uid) == r.size]
            if due:
                self._source.perform(action, due)
                await self._source.finish()
                await note_confirmed(self._source, page, action)
        if gone:
            await Note(lambda: page.settled(gone))

    async def _skip(self, page: Page, choice: Choice) -> None:
        """Leave what is too large, or delete it unread where the user asked for that."""
        flushed = self._account.limitflush
        if choice.oversized:
            self._oversized[self._mailbox] = choice.oversized
        for message in choice.oversized:
            self._report(Skipped(message.number, message.size, "oversized", flushed))
        if flushed:
            await self._delete(page, choice.oversized)

    async def _delete(self, page: Page, messages: Sequence[Listed]) -> None:
        """Delete what nobody gets. Should this be cut short, the next poll knows what is ours."""
        if messages:
            await Note(lambda: page.to_be_deleted(messages))
            await Note(page.make_durable)
            self._source.perform(Action.DELETE, [message.uid for message in messages])

    async def _remind(self, reminders: Reminders) -> None:
        """Tell the user by mail what is too large. Nothing else depends on that."""
        account, now = self._account, await Now()
        uids = {name: {one.uid for one in found} for name, found in self._oversized.items()}
        every = float(account.warnings)
        if not any(reminders.due(account.name, name, uids[name], now, every) for name in uids):
            return
        try:
            why = await self._post_notice()
        except (PollFailed, ProtocolError, RuntimeFault) as error:
            why = str(error) or type(error).__name__
        if why:
            self._report(Said(f"the warning of oversized mail cannot be sent: {why}", error=True))
            return
        for name, each in uids.items():
            reminders.told(account.name, name, each, now)

    async def _post_notice(self) -> str:
        """Hand the warning of oversized mail to the sink; return why not, or ""."""
        account = self._account
        self._sink = sink = self._sink or self._make_sink()
        sizes = {name: Counter(m.size for m in found) for name, found in self._oversized.items()}
        whose = f"{account.user}@{account.pollname}"
        letter = self._packer(sink).notice(whose, account.limit, sizes, deleted=account.limitflush)
        if letter is None:
            return "there is nobody to tell"
        outcome = await post(sink, letter)
        return "" if outcome.accepted else outcome.reason

    async def _flush(self, page: Page) -> None:
        """Delete what was read before, as ``flush`` asks."""
        old = await self._source.old()
        if not self._source.remembers:
            # What has the name of a message that was read, and another size, may be another.
            old = [one for one in old if self._seen.get(one.uid, -1) in (0, one.size)]
        for message in old:
            self._report(Skipped(message.number, 0, "", flushed=True))
        await self._delete(page, old)
        await self._source.finish()

    def _exit_code(self) -> ExitCode:
        if self._account.check_only:
            return ExitCode.SUCCESS if self._new else ExitCode.NOMAIL
        if self._left:
            return ExitCode.MAXFETCH
        if self._tally.accepted:
            return ExitCode.SUCCESS
        # fetchmail ends with 0 here; nobody would notice that no mail gets through.
        return ExitCode.SMTP if self._tally.read else ExitCode.NOMAIL
