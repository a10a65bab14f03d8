"""One poll of one account, from connect to log-out.

What goes wrong belongs to a message, a mailbox or the whole poll, and is caught there: a
message that cannot be read or delivered stays on the server and those behind it go on; a
server that hangs up inside a message is visited again, for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..protocols.errors import ProtocolError
from .account import Account
from .channel import describe
from .ledger import Ledger, Lock, Unlocked
from .outcome import CutOff, ExitCode, PollFailed, code_of
from .report import Report, Said
from .requests import Call, Now, RuntimeFault, Sleep
from .sink import Sink, post
from .source import Source
from .visit import Progress, Visit

if TYPE_CHECKING:
    from .parcel import Packer
    from .reminders import Reminders

RECONNECTS = 3
"""How often a poll comes back after the server hung up inside a message."""
LOOK_AGAIN = 1.0
"""Seconds after which a poll looks whether another one of this process is done with a mailbox."""
LOCK_SECONDS = 600.0
"""For how long it does so."""


class Poll:
    """One poll of one account. ``run`` is its story.

    ``sink`` makes the sink, which is called for the first message only: a poll that finds
    nothing loads and opens nothing to put it in. ``sink_name`` is how the ledger knows it. Once
    ``stopping`` says so, no further message is asked for. With ``reminders`` the user is told by
    mail of what is too large. ``lock`` makes the lock of a mailbox: it is held from the listing
    until all is settled, so that no two polls have a mailbox at the same time.
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
        lock: Callable[[str], Lock] = Unlocked,
    ) -> None:
        self._stopping = stopping
        self._reminders = reminders
        self._account = account
        self._source = source
        self._sink_name = sink_name
        self._make_sink = sink
        self._open_sink: Sink | None = None
        self._ledger = ledger
        self._packer = packer
        self._report = report
        self._make_lock = lock
        self._lock: Lock | None = None
        self._locked = ""
        self._progress = Progress()
        self._done: set[str] = set()
        self._open_visit: Visit | None = None

    async def run(self) -> ExitCode:
        """Poll the account and return how it went. Raises PollFailed."""
        try:
            return await self._run()
        finally:
            # However this ends: a cancelled poll must not keep others out.
            self._release_lock()

    async def _run(self) -> ExitCode:
        patience = RECONNECTS
        again, failure = await self._visit()
        while again and patience and not self._stopping():
            patience -= failure is not None
            again, failure = await self._visit()
        if self._reminders and self._progress.oversized:
            await self._remind(self._reminders)
        if self._open_sink:
            await self._open_sink.close()
        cut_off = self._progress.cut_off
        if failure is None and cut_off:
            failure = PollFailed(
                self._progress.cut_off_code,
                f"{self._source.channel.peer}: {cut_off} message(s) stay on the "
                "server because the connection failed while they were sent",
            )
        if failure:
            raise failure
        return self._exit_code()

    def _sink(self) -> Sink:
        """Return the sink; the first message makes it."""
        self._open_sink = self._open_sink or self._make_sink()
        return self._open_sink

    async def _visit(self) -> tuple[bool, PollFailed | None]:
        """Make one connection; return whether to come back, and what went wrong."""
        again = False
        failure: PollFailed | None = None
        try:
            again = await self._visit_mailboxes()
        except PollFailed as error:
            failure = error
        except CutOff as error:
            source = self._source
            # Without lasting names, what was delivered would come again with the rest.
            nameless = source.reuses_uids and not source.in_sessions
            again = error.message is not None and not nameless
            failure = await self._explain(error.cause)
            await self._note_cut_off(error, failure)
        except (ProtocolError, RuntimeFault) as error:
            failure = await self._explain(error)
        await self._leave()
        if failure and again:
            self._report(Said(str(failure), error=True))
        return again, failure

    async def _visit_mailboxes(self) -> bool:
        """Visit each mailbox in one session; return whether another one is to go on."""
        account, source = self._account, self._source
        if len(account.mailboxes) == 1:
            # Whoever else has it is not disturbed by a connection.
            await self._take_lock(account.mailboxes[0])
        await source.open()
        mailboxes = await source.mailboxes(account.mailboxes, account.elsewhere)
        for mailbox in mailboxes:
            if mailbox in self._done or self._stopping():
                continue
            await self._take_lock(mailbox)
            visit = self._visit_of(mailbox, is_last=mailbox == mailboxes[-1])
            self._open_visit = visit
            if await visit.run():
                return True
            self._done.add(mailbox)
        return False

    def _visit_of(self, mailbox: str, *, is_last: bool) -> Visit:
        return Visit(
            mailbox,
            self._account,
            self._source,
            self._ledger,
            self._sink_name,
            self._sink,
            self._packer,
            self._report,
            self._progress,
            stopping=self._stopping,
            is_last=is_last,
        )

    async def _take_lock(self, mailbox: str) -> None:
        """Wait until no other poll of this process has the mailbox. Raises PollFailed (EXCLUDE)."""
        if self._lock and self._locked == mailbox:
            return
        self._release_lock()
        lock = self._make_lock(mailbox)
        waited = 0.0
        while not await Call(lock.acquire):
            if waited >= LOCK_SECONDS or self._stopping():
                peer, name = self._source.channel.peer, self._account.name
                raise PollFailed(
                    ExitCode.EXCLUDE,
                    f"{peer}: another poll of {name!r} has had mailbox {mailbox!r} for too long",
                )
            await Sleep(LOOK_AGAIN)
            waited += LOOK_AGAIN
        self._lock, self._locked = lock, mailbox

    def _release_lock(self) -> None:
        if self._lock:
            self._lock.release()
        self._lock = None

    async def _note_cut_off(self, error: CutOff, failure: PollFailed) -> None:
        """The session died at a message: it comes last from now on, if it dies there again."""
        message, visit = error.message, self._open_visit
        if message is None or visit is None:
            return
        self._progress.tried[visit.mailbox].add(message.uid)
        self._progress.cut_off += 1
        self._progress.cut_off_code = failure.code
        await visit.count_failure(message, str(failure))

    async def _explain(self, error: Exception) -> PollFailed:
        """Close the connection and say what happened, with what a plugin said last."""
        await self._leave()
        return PollFailed(code_of(error), describe(self._source.channel, error))

    async def _leave(self) -> None:
        """Close the connection; some servers do only then what they were asked."""
        await self._source.close()
        visit = self._open_visit
        if visit:
            await visit.leave()
        self._release_lock()

    async def _remind(self, reminders: Reminders) -> None:
        """Tell the user by mail what is too large. Nothing else depends on that."""
        account, now = self._account, await Now()
        oversized = self._progress.oversized.items()
        uids = {name: {one.uid for one in found} for name, found in oversized}
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
        sink = self._sink()
        oversized = self._progress.oversized.items()
        sizes = {name: Counter(m.size for m in found) for name, found in oversized}
        whose = f"{account.user}@{account.pollname}"
        letter = self._packer(sink).notice(whose, account.limit, sizes, deleted=account.limitflush)
        if letter is None:
            return "there is nobody to tell"
        outcome = await post(sink, letter)
        return "" if outcome.accepted else outcome.reason

    def _exit_code(self) -> ExitCode:
        progress = self._progress
        if self._account.check_only:
            return ExitCode.SUCCESS if progress.new else ExitCode.NOMAIL
        if progress.left:
            return ExitCode.MAXFETCH
        tally = progress.tally
        if tally.accepted:
            return ExitCode.SUCCESS
        # Nobody would notice with fetchmail's 0, or with 1, that no mail gets through.
        if tally.unreadable or progress.put_off:
            return ExitCode.ERROR
        return ExitCode.SMTP if tally.read else ExitCode.NOMAIL
