"""One poll of one account, from connect to log-out.

An error concerns a message, a mailbox or the whole poll, and is handled at that level: a message
that cannot be read or delivered stays on the server, and the next ones are processed; if the
connection breaks during a message, the poll connects again for the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..protocols.errors import ProtocolError
from .account import Account
from .channel import describe
from .ledger import Ledger, Lock, Unlocked
from .outcome import CutOff, ExitCode, PollFailed, code_of
from .report import Remark, Report
from .requests import LedgerCall, Now, RuntimeFault, Sleep
from .session import SessionObserver
from .sink import Sink, post
from .source import Source
from .visit import Progress, Visit

if TYPE_CHECKING:
    from .ferry import Meter
    from .parcel import Packer
    from .reminders import Reminders

RECONNECTS = 3
"""How often a poll connects again after the connection broke during a message."""
LOCK_RETRY_SECONDS = 1.0
"""Seconds between tries to lock a mailbox that another poll of this process has locked."""
MAX_LOCK_SECONDS = 600.0
"""Seconds after which a poll stops trying to lock a mailbox."""


class Poll:
    """One poll of one account. Call ``run`` once.

    ``sink`` makes the sink. It is called at the first message, so a poll without new mail neither
    imports nor opens a sink. ``sink_name`` identifies the sink in the ledger. Once ``stopping``
    returns true, no further message is requested. With ``reminders`` the user gets a notice about
    oversized messages. ``lock`` makes the lock of a mailbox. It is held from the listing until all
    messages are settled, so that two polls never use a mailbox at the same time. ``visit`` makes
    the visit of each mailbox. ``meter`` limits the octets of messages that are fetched. ``tree``
    makes a sink for one mailbox, from the levels of its name; each mailbox then has its own.
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
        session: SessionObserver | None = None,
        visit: type[Visit] | Callable[..., Visit] = Visit,
        meter: Meter | None = None,
        tree: Callable[[tuple[bytes, ...]], Sink] | None = None,
    ) -> None:
        self._make_visit = visit
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
        self._tree = tree
        self._make_lock = lock
        self._session = session or SessionObserver()
        self._meter = meter
        self._lock: Lock | None = None
        self._locked = ""
        self._progress = Progress()
        self._done: set[str] = set()
        self._open_visit: Visit | None = None

    async def run(self) -> ExitCode:
        """Poll the account and return the exit code. Raises PollFailed."""
        try:
            return await self._run()
        finally:
            # A cancelled poll must release its lock as well.
            self._release_lock()

    async def _run(self) -> ExitCode:
        reconnects_left = RECONNECTS
        again, failure = await self._visit()
        while again and reconnects_left and not self._stopping():
            reconnects_left -= failure is not None
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
        """Return the sink; make it at the first call."""
        self._open_sink = self._open_sink or self._make_sink()
        return self._open_sink

    async def _change_sink(self, levels: tuple[bytes, ...]) -> None:
        """Close the sink of the last mailbox; the next message makes that for another one."""
        if self._tree:
            if self._open_sink:
                await self._open_sink.close()
            self._open_sink = None
            self._make_sink = partial(self._tree, levels)

    async def _visit(self) -> tuple[bool, PollFailed | None]:
        """Use one connection; return whether another one is needed, and the error if any."""
        again = False
        failure: PollFailed | None = None
        try:
            again = await self._visit_mailboxes()
        except PollFailed as error:
            failure = error
        except CutOff as error:
            source = self._source
            # Without lasting UIDs the next session would fetch delivered messages again.
            has_no_uids = source.reuses_uids and not source.in_sessions
            again = error.message is not None and not has_no_uids
            failure = await self._close_and_describe(error.cause)
            await self._note_cut_off(error, failure)
        except (ProtocolError, RuntimeFault) as error:
            failure = await self._close_and_describe(error)
        if (broken := await self._leave()) and failure is None:
            failure = PollFailed(code_of(broken), describe(self._source.channel, broken))
        if self._source.refused_at_close and self._open_visit:
            self._done.discard(self._open_visit.mailbox)
            again = True
        if failure and again:
            self._report(Remark(str(failure), error=True))
        return again, failure

    async def _visit_mailboxes(self) -> bool:
        """Visit each mailbox in one session; return whether another session is needed."""
        account, source = self._account, self._source
        if len(account.mailboxes) == 1:
            # While another poll holds the mailbox, no connection is needed.
            await self._take_lock(account.mailboxes[0])
        await self._open()
        mailboxes = await source.mailboxes(account.mailboxes, account.elsewhere)
        for mailbox in mailboxes:
            if mailbox in self._done or self._stopping():
                continue
            await self._take_lock(mailbox)
            if self._tree:
                await self._change_sink(await source.levels(mailbox))
            visit = self._visit_of(mailbox, is_last=mailbox == mailboxes[-1])
            self._open_visit = visit
            if await visit.run():
                return True
            self._done.add(mailbox)
        return False

    async def _open(self) -> None:
        """Connect and log in."""
        try:
            await self._source.open()
        except (PollFailed, ProtocolError, RuntimeFault) as error:
            self._session.failed(error)
            raise
        self._session.logged_in()

    def _visit_of(self, mailbox: str, *, is_last: bool) -> Visit:
        return self._make_visit(
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
            meter=self._meter,
        )

    async def _take_lock(self, mailbox: str) -> None:
        """Wait for the lock of the mailbox and take it. Raises PollFailed (EXCLUDE, IOERR)."""
        if self._lock and self._locked == mailbox:
            return
        self._release_lock()
        lock = self._make_lock(mailbox)
        waited = 0.0
        while not await LedgerCall(lock.acquire):
            if waited >= MAX_LOCK_SECONDS or self._stopping():
                peer, name = self._source.channel.peer, self._account.name
                raise PollFailed(
                    ExitCode.EXCLUDE,
                    f"{peer}: another poll of {name!r} has had mailbox {mailbox!r} for too long",
                )
            await Sleep(LOCK_RETRY_SECONDS)
            waited += LOCK_RETRY_SECONDS
        self._lock, self._locked = lock, mailbox

    def _release_lock(self) -> None:
        if self._lock:
            self._lock.release()
        self._lock = None

    async def _note_cut_off(self, error: CutOff, failure: PollFailed) -> None:
        """Record a message at which the session broke. After a second failure it comes last."""
        message, visit = error.message, self._open_visit
        if message is None or visit is None:
            return
        self._progress.tried[visit.mailbox].add(message.uid)
        self._progress.cut_off += 1
        self._progress.cut_off_code = failure.code
        await visit.count_failure(message, str(failure))

    async def _close_and_describe(self, error: Exception) -> PollFailed:
        """Close the connection and return the error, with the last error output of a plugin."""
        await self._leave()
        return PollFailed(code_of(error), describe(self._source.channel, error))

    async def _leave(self) -> Exception | None:
        """Close the connection; some servers confirm their actions only then.

        Return why the connection broke before that.
        """
        if not self._source.settles_at_close:
            self._session.ending()
        failure: Exception | None = None
        try:
            await self._source.close()
        except (ProtocolError, RuntimeFault) as error:
            failure = error
        if self._open_visit:
            await self._open_visit.leave()
        self._release_lock()
        return failure

    async def _remind(self, reminders: Reminders) -> None:
        """Send the user a notice about oversized messages. A failure does not end the poll."""
        account, now = self._account, await Now()
        oversized = self._progress.oversized.items()
        uids = {name: {one.uid for one in found} for name, found in oversized}
        every = float(account.warnings)
        if not any(reminders.due(account.name, name, uids[name], now, every) for name in uids):
            return
        try:
            await self._change_sink((b"INBOX",))
            why = await self._send_notice()
        except (PollFailed, ProtocolError, RuntimeFault) as error:
            why = str(error) or type(error).__name__
        if why:
            text = f"the notice about oversized mail cannot be sent: {why}"
            self._report(Remark(text, error=True))
            return
        for name, each in uids.items():
            reminders.mark_sent(account.name, name, each, now)

    async def _send_notice(self) -> str:
        """Send the notice about oversized messages; return "", or why it cannot be sent."""
        account = self._account
        sink = self._sink()
        oversized = self._progress.oversized.items()
        sizes = {name: Counter(m.size for m in found) for name, found in oversized}
        whose = f"{account.user}@{account.pollname}"
        parcel = self._packer(sink).notice(whose, account.limit, sizes, deleted=account.limitflush)
        if parcel is None:
            return "no address to send it to"
        outcome = await post(sink, parcel)
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
        # fetchmail returns 0 or 1 here, which would hide that no mail is delivered.
        if tally.unreadable or progress.put_off:
            return ExitCode.ERROR
        return ExitCode.SMTP if tally.read else ExitCode.NOMAIL
