"""One mailbox during a poll: which messages are new in it, and what is done with them.

New mail comes first. The actions still pending for earlier mail follow, then the deletions for
``flush``; so neither of them delays new mail.

This file is long because the decisions about one mailbox share its listing, its ledger page and its
counts; cut apart, each part would pass all of them on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from ..protocols.errors import ProtocolError
from ..protocols.message.fingerprint import fingerprint
from ..protocols.record import Record
from .account import Account, Action
from .choose import Choice, Chooser
from .debts import SINGLE_COUNT, Match, is_more, match, shares
from .ledger import Ledger, Page, Pending, Relative, Seen, Undelivered
from .outcome import ExitCode, SinkUnavailable, Tally
from .report import Counted, LimitReached, Planned, Remark, Report, Skipped
from .requests import LedgerCall, RuntimeFault
from .settle import note_confirmed
from .sink import Sink
from .source import Listed, Source, Uid, same_size

if TYPE_CHECKING:
    from .ferry import Meter
    from .parcel import Packer
    from .sift import Sift

Add = Callable[[Sequence[Listed]], Awaitable[int]]
"""Adds a part of the new messages to those that may be fetched; returns how many it added."""

PART_SIZE = 5000
"""Messages of a listing that are compared with the ledger together."""
MAX_PER_SESSION = 20_000
"""New messages fetched in one session; for more, the poll connects again."""
DELETE_BATCH_SIZE = 1000
"""Messages that are deleted unread together."""
MAX_CHANGED = 500
"""Messages with a changed size that are examined in one poll."""
MAX_DEFERRED = 200_000
"""New messages that are compared with those that are gone."""
MAX_UNWANTED_OCTETS = 4 * 1024 * 1024
"""Octets of requested texts that are read and discarded in order to settle other messages."""
SAMPLE_SIZE = 5
"""Messages whose headers must agree before an account takes over the records of another one."""


class Progress:
    """The results of the visits of one poll."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.new = 0
        self.left = 0
        self.cut_off = 0
        self.held_back = False
        """Whether messages are left because of a limit for a day."""
        self.put_off = False
        """Whether a mailbox was left for the next poll, because it could not be compared."""
        self.cut_off_code = ExitCode.SOCKET
        self.oversized: dict[str, Sequence[Listed]] = {}
        self.tried: dict[str, set[Uid]] = {}
        """UIDs of messages that were handled in this poll, by mailbox."""
        self.cleared: set[str] = set()
        """Mailboxes in which only messages are left that have failed more than once."""


class Plan(Record):
    """What is done with the messages of one mailbox in one session.

    ``pending`` are rows whose action the server has not confirmed, ``old`` the messages that
    ``flush`` deletes, and ``tried`` those handled in this poll. ``new`` counts the new messages,
    and ``read_before`` those that the poll had read before.
    """

    choice: Choice
    pending: Sequence[Pending]
    old: Sequence[Listed]
    tried: set[Uid]
    new: int
    read_before: int


class Visit:
    """One mailbox in one session. Call ``run`` once; ``page`` is None until the mailbox is open."""

    def __init__(
        self,
        mailbox: str,
        account: Account,
        source: Source,
        ledger: Ledger,
        sink_name: str,
        sink: Callable[[], Sink],
        packer: Callable[[Sink], Packer],
        report: Report,
        progress: Progress,
        *,
        stopping: Callable[[], bool],
        is_last: bool,
        meter: Meter | None = None,
    ) -> None:
        self.mailbox = mailbox
        self._account = account
        self._source = source
        self._ledger = ledger
        self._sink_name = sink_name
        self._sink = sink
        self._packer = packer
        self._report = report
        self._progress = progress
        self._stopping = stopping
        self._is_last = is_last
        self._meter = meter
        self._by_ledger = False
        self._remembers = False
        self._read_only = False
        self._sift: Sift | None = None
        self.page: Page | None = None

    @property
    def _may_record(self) -> bool:
        """Whether the ledger may be changed."""
        return not self._account.check_only

    async def run(self) -> bool:
        """Fetch the new messages; return whether another session is needed for the mailbox."""
        account, source = self._account, self._source
        opened = await source.select(self.mailbox, read_only=account.check_only)
        if not source.total:
            self._report(Counted(self.mailbox, 0, 0))
            return False
        # A server may have no record of read messages; the ledger is then used.
        self._by_ledger = account.by_ledger or not source.remembers
        # With ``delete_after`` the ledger keeps what it would forget otherwise.
        self._remembers = self._by_ledger or account.delete_after > 0
        self._read_only = opened.read_only
        page = self.page = await self._open_page(opened.uidvalidity)
        total = source.total
        everything = account.fetchall or self._by_ledger
        listed = await source.new(everything=everything, with_flags=self._by_ledger)
        known = await self._known_before(page, listed)
        if known is None:
            return False
        page = self.page = known
        # EXAMINE opens every mailbox read-only. With ``by_ledger`` others' reading does not matter.
        closed = opened.read_only and not (account.check_only or account.by_ledger)
        plan = await self._plan(page, listed, seen_elsewhere=closed)
        choice = plan.choice
        self._report(Counted(self.mailbox, total, max(0, total - plan.new), source.octets))
        self._progress.new += len(choice.fetch) + len(choice.last) + choice.later
        if account.check_only:
            await self._show(page, listed, plan)
            return False
        if planned := choice.fetch + choice.last:
            self._report(Planned(self.mailbox, planned, choice.later))
        if page.is_new:
            await LedgerCall(page.mark_compared)
        await self._skip(page, choice)
        if await self._carry_out(page, plan):
            return True
        if choice.left:
            self._progress.left += choice.left
            fetched = self._progress.tally.read - plan.read_before
            self._report(LimitReached(account.fetchlimit, total - fetched))
        return False

    async def _plan(self, page: Page, listed: Sequence[Listed], *, seen_elsewhere: bool) -> Plan:
        """Choose what to do with the listed messages."""
        undelivered = await self._undelivered(page, listed)
        pending = await LedgerCall(page.pending)
        tried = self._progress.tried.setdefault(self.mailbox, set())
        old = await self._old(page, listed, tried)
        excluded = tried | {row.uid for row in pending}
        read = self._progress.tally.read
        chooser = self._chooser(excluded, read, undelivered)
        if rules := self._account.rules:
            from .sift import Sift  # few accounts have rules

            check_only = not self._may_record
            self._sift = Sift(rules, self._source, page, self._report, check_only=check_only)
        new = await self._offer(page, listed, chooser, seen_elsewhere=seen_elsewhere)
        if self._sift:
            await self._sift.end(complete=not chooser.is_full)
        return Plan(chooser.choice(), pending, old, tried, new, read)

    def _chooser(
        self, excluded: Collection[Uid], read: int, undelivered: Mapping[Uid, Undelivered]
    ) -> Chooser:
        return Chooser(self._account, excluded, read, undelivered, MAX_PER_SESSION)

    async def _show(self, page: Page, listed: Sequence[Listed], plan: Plan) -> None:
        """Show what a poll would do; a check only counts."""

    async def _carry_out(self, page: Page, plan: Plan) -> bool:
        """Fetch, settle and delete; return whether another session is needed."""
        choice, pending, old = plan.choice, plan.pending, plan.old
        fetch = self._for_this_session(choice.fetch)
        more = len(fetch) < len(choice.fetch) or choice.later > 0
        copies: Sequence[Listed] = ()
        if fetch and self._account.once:
            from .copies import without_copies  # few accounts have several folders

            fetch, copies = await without_copies(self._source, page, fetch)
        no_more = self._is_last and not more and not choice.last
        if fetch:
            await self._carry(page, fetch, plan.tried, last=no_more)
            more = more and not self._progress.held_back
        elif choice.oversized:
            # Wait for the reply to the deletions of ``limitflush`` before the connection may end.
            await self._source.finish()
        if copies:
            from .copies import settle_copies

            plan.tried.update(one.uid for one in copies)
            await settle_copies(
                *(self._account, self._source, page, copies, self._report),
                by_ledger=self._remembers,
            )
        if more:
            return True
        if pending or self._source.expunges_all:
            more = await self._settle_pending(page, pending)
        if old:
            more |= await self._flush(page, old)
        if more:
            return True
        expired = await self._delete_expired(page)
        in_doubt = self._source.in_sessions and (fetch or pending or old or expired)
        if choice.last and in_doubt and self.mailbox not in self._progress.cleared:
            # If the session breaks at them, the deletions of this session must not be lost.
            self._progress.cleared.add(self.mailbox)
            return True
        if choice.last:
            await self._carry(page, choice.last, plan.tried, last=self._is_last)
        return False

    async def _delete_expired(self, page: Page) -> bool:
        """Delete what was delivered long enough ago; return whether anything was requested."""
        account = self._account
        if not account.delete_after or self._read_only or self._stopping():
            return False
        from .retention import delete_expired  # few accounts need it

        return await delete_expired(
            *(account, self._source, page, self.mailbox, self._report), by_ledger=self._remembers
        )

    async def leave(self) -> None:
        """Record what the server confirmed at the end of the session. Call it after the close."""
        if self.page:
            await self._note_confirmed(self.page)

    async def count_failure(self, message: Listed, why: str) -> None:
        """Count a failure of this message: the session broke while it was requested or read."""
        page = self.page
        if page:
            from .set_aside import set_aside_if_stuck  # few messages fail

            failures = await LedgerCall(lambda: page.unreadable(message.uid, message.size, why))
            tally = self._progress.tally
            await set_aside_if_stuck(page, self._report, tally, message.uid, failures)

    async def _note_confirmed(self, page: Page) -> None:
        await note_confirmed(self._source, page, by_ledger=self._remembers)

    async def _open_page(self, uidvalidity: int) -> Page:
        account, sink, key = self._account.name, self._sink_name, self._key
        return await LedgerCall(lambda: self._ledger.page(account, sink, key, uidvalidity))

    @property
    def _key(self) -> str:
        """The name of this mailbox in the ledger; over POP3 there is only one."""
        return INBOX if self._source.reuses_uids else mailbox_key(self.mailbox)

    # Comparing with the ledger

    async def _offer(
        self, page: Page, listed: Sequence[Listed], chooser: Chooser, *, seen_elsewhere: bool
    ) -> int:
        """Add the messages that may be fetched to ``chooser``; return how many are new.

        With ``fetchall`` seen messages are added as well, but are not counted as new.
        """
        everything = self._account.fetchall or not self._by_ledger
        sift = self._sift

        async def add(part: Sequence[Listed]) -> int:
            # What has no room in this session is looked at in the next, unless it may be deleted.
            sifts = sift and (self._account.limitflush or not chooser.is_full)
            allowed = await sift.apply(part) if sift and sifts else part
            chooser.add(allowed)
            return len(allowed)

        if everything:
            for part in in_parts(listed, PART_SIZE):
                await add(part)
        if not self._by_ledger:
            return chooser.count
        chosen = _ignore if everything else add
        return await self._compare(page, listed, chosen, seen_elsewhere=seen_elsewhere)

    async def _compare(
        self,
        page: Page,
        listed: Sequence[Listed],
        add: Add,
        *,
        seen_elsewhere: bool,
    ) -> int:
        """Add the messages that the ledger has not recorded as seen; return their number.

        Records of messages that are gone are removed. At the first comparison, and always with
        ``seen_elsewhere``, messages that the server calls read count as seen.
        """
        changed: list[Seen] = []
        known = count = held = 0
        seen_before = await LedgerCall(page.count_seen) if self._may_record else 0
        defers = self._may_record and self._may_be_renumbered(page, seen_before)
        deferred: list[Sequence[Listed]] = []
        for part in in_parts(listed, PART_SIZE):
            found = await LedgerCall(partial(page.compare, part))
            changed += found.changed[: MAX_CHANGED - len(changed)]
            known += found.known
            new: Sequence[Listed] = found.new
            if page.is_new or seen_elsewhere:
                new = await self._without_read(page, new)
            if defers and held < MAX_DEFERRED:
                held += len(new)
                deferred.append(new)
            else:
                count += await add(new)
        is_gone = known < seen_before
        if held and (is_gone or page.is_renumbered):
            deferred = await self._without_known(page, listed, deferred)
        for new in deferred:
            count += await add(new)
        if defers and page.is_renumbered:
            await LedgerCall(page.mark_compared)
        if is_gone:
            await LedgerCall(lambda: page.keep_only(uids_in_parts(listed)))
        if changed:
            others = await self._changed(page, changed)
            count += await add(others)
        return count

    def _may_be_renumbered(self, page: Page, seen_before: int) -> bool:
        """Whether new messages may be known under other UIDs. Only mail that is kept matters."""
        is_possible = seen_before > 0 if self._source.reuses_uids else page.is_renumbered
        return is_possible and self._account.keep and not self._account.fetchall

    async def _without_known(
        self, page: Page, listed: Sequence[Listed], new: Sequence[Sequence[Listed]]
    ) -> list[Sequence[Listed]]:
        """Return the messages that are not known under other UIDs; the others become seen."""
        from .renumbered import recognize  # most mailboxes keep their UIDs

        listing = None if page.is_renumbered else uids_in_parts(listed)
        return await recognize(self._source, page, self._report, self.mailbox, new, listing)

    async def _without_read(self, page: Page, new: Sequence[Listed]) -> Sequence[Listed]:
        """Return the messages that the server does not call read; record the others as seen."""
        read = [one for one in new if one.seen]
        if read and self._may_record:
            await LedgerCall(lambda: page.mark_seen(read))
        return [one for one in new if not one.seen]

    async def _changed(self, page: Page, changed: Sequence[Seen]) -> Sequence[Listed]:
        """Return which of these messages are really new messages under reused UIDs."""
        known = [one.listed.uid for one in changed if one.fingerprint]
        headers = await self._source.headers(known)
        same: list[Listed] = []
        new: list[Listed] = []
        for one in changed:
            header = headers.get(one.listed.uid)
            # Without a header, a size recorded as unknown is no reason to fetch the message again.
            is_same = not one.size if header is None else fingerprint(header) == one.fingerprint
            (same if is_same else new).append(one.listed)
        if self._may_record:
            await LedgerCall(lambda: page.mark_seen(same))
            await LedgerCall(lambda: page.forget([one.uid for one in new]))
        return new

    async def _known_before(self, page: Page, listed: Sequence[Listed]) -> Page | None:
        """Take over the records of this account under an earlier name, if there are any.

        Return the page to use. Records are taken over if most messages are in both mailboxes, all
        with the same sizes, and some with the same headers. If the server does not send the
        headers, return None once: the next poll compares again, and only then fetches the messages.
        Doubtful cases are reported.
        """
        account = self._account
        if not (page.is_new and account.same_user and self._may_record):
            return page
        key = self._key
        relatives = await LedgerCall(
            lambda: self._ledger.relatives(account.name, account.same_user, key, page.uidvalidity)
        )
        for relative in relatives:
            common, likeness = await self._compare_with(relative, listed)
            if common and 2 * common >= min(relative.expected, len(listed)):
                if likeness is Match.SAME:
                    return await self._take_over(page, relative)
                if likeness is Match.UNKNOWN and not page.was_put_off:
                    await LedgerCall(page.put_off)
                    self._progress.put_off = True
                    text = (
                        f"{self._source.channel.peer}: the server gives no header to tell whether "
                        f"this mailbox is that of {relative.account!r}; the next poll tries again"
                    )
                    self._report(Remark(text, error=True))
                    return None
            if common:
                text = (
                    f"{self._source.channel.peer}: mail of this account is fetched, although "
                    f"{relative.account!r} has {common} messages with the same UIDs; if that is "
                    f"the same mailbox: mailhaul ledger rename {relative.account!r} "
                    f"{account.name!r}"
                )
                self._report(Remark(text, error=True))
        return page

    async def _compare_with(
        self, relative: Relative, listed: Sequence[Listed]
    ) -> tuple[int, Match]:
        """Return how many UIDs both mailboxes have, and whether their messages are the same."""
        common = 0
        sample: dict[Uid, bytes] = {}
        for part in in_parts(listed, PART_SIZE):
            found = await LedgerCall(partial(self._ledger.resemblance, relative, part))
            common += found.common
            if found.differing:
                return common, Match.OTHER
            sample |= dict(islice(found.fingerprints.items(), SAMPLE_SIZE - len(sample)))
        if common and not sample and isinstance(listed[0].uid, int):
            # Every IMAP mailbox counts from 1: the same numbers show nothing, and a mailbox that is
            # wrongly taken for another one would lose mail.
            return common, Match.OTHER
        headers = await self._source.headers(list(sample))
        if any(fingerprint(header) != sample[uid] for uid, header in headers.items()):
            return common, Match.OTHER
        return common, Match.UNKNOWN if sample.keys() - headers.keys() else Match.SAME

    async def _take_over(self, page: Page, relative: Relative) -> Page:
        """Move the records of the account's earlier name to it; return its new page."""
        account = self._account
        await LedgerCall(lambda: self._ledger.take_over(relative, account.name))
        text = (
            f"{self._source.channel.peer}: {relative.known} message(s) are known from "
            f"{relative.account!r}, the earlier name of this account"
        )
        self._report(Remark(text, error=True))
        return await self._open_page(page.uidvalidity)

    async def _undelivered(self, page: Page, listed: Sequence[Listed]) -> Mapping[Uid, Undelivered]:
        """Return the undelivered messages that still exist; forget those that do not.

        A UID with another size belongs to another message.
        """
        rows = await LedgerCall(page.undelivered)
        if not rows:
            return {}
        wanted = {row.uid for row in rows}
        # A long listing makes its items on access; asking the source is cheaper.
        some = listed if len(listed) <= PART_SIZE else ()
        sizes = {one.uid: one.size for one in some if one.uid in wanted}
        if missing := [row.uid for row in rows if row.uid not in sizes]:
            sizes |= await self._source.sizes(missing)
        gone = {r.uid for r in rows if not (r.uid in sizes and same_size(sizes[r.uid], r.size))}
        if gone and self._may_record:
            await LedgerCall(lambda: page.forget(list(gone)))
        there = {row.uid: row for row in rows if row.uid not in gone}
        if aside := sum(row.set_aside for row in there.values()):
            text = f'{aside} message(s) in quarantine; see "mailhaul quarantine list"'
            self._report(Remark(text, error=False))
        return there

    # Fetching

    def _for_this_session(self, messages: Sequence[Listed]) -> Sequence[Listed]:
        """Return the messages for this session: with ``expunge`` no more than it allows."""
        account = self._account
        divided = account.expunge and self._source.in_sessions and not account.keep
        return messages[: account.expunge] if divided else messages

    async def _carry(
        self, page: Page, messages: Sequence[Listed], tried: set[Uid], *, last: bool
    ) -> None:
        from .ferry import Ferry

        ferry = Ferry(
            self._account,
            self._source,
            self._sink(),
            page,
            self._packer,
            self._report,
            self._progress.tally,
            tried=tried,
            stopping=self._stopping,
            last=last,
            by_ledger=self._by_ledger,
            meter=self._meter,
        )
        try:
            await ferry.run(messages, self._source.total)
        except SinkUnavailable:
            await self._settle_accepted(page, ferry.octets_ahead)
            raise
        if ferry.held_back:
            self._progress.left += ferry.held_back
            self._progress.held_back = True
            text = f"{ferry.held_back} message(s) are left for later: the daylimit is reached"
            self._report(Remark(f"{self._source.channel.peer}: {text}", error=False))

    async def _settle_accepted(self, page: Page, octets_ahead: int) -> None:
        """Do what is pending although the sink takes no more: otherwise a sink that accepts a few
        messages in each poll, and then postpones all others, would let the mailbox overflow.

        The texts that were requested arrive first. If they are long, the next poll has to do it.
        """
        pending = await LedgerCall(page.pending)
        if not pending or octets_ahead > MAX_UNWANTED_OCTETS:
            return
        try:
            await self._settle_pending(page, pending)
        except (ProtocolError, RuntimeFault) as error:
            text = f"{self._source.channel.peer}: {len(pending)} message(s) stay pending: {error}"
            self._report(Remark(text, error=True))

    # Deleting

    async def _settle_pending(self, page: Page, pending: Sequence[Pending]) -> bool:
        """Request the pending actions of earlier polls, for messages shown to be the same.

        Return whether another session is needed: for another share, or to fetch other messages
        that now have some of these UIDs.
        """
        if self._source.expunges_all:
            # The messages flagged by this poll are expunged together with them, or none are.
            pending = await LedgerCall(page.pending)
        source = self._source
        together, in_sessions = source.expunges_all, source.in_sessions
        more = in_sessions and not together and is_more(pending)
        for share in shares(pending, expunges_all=together, in_sessions=in_sessions):
            if self._stopping():
                break
            due, found_others = await self._confirmed_same(page, share)
            more |= found_others
            for action in Action:
                uids = [row.uid for row in due if row.action is action]
                if uids:
                    # Count before the request, since the session may break at it.
                    count = 1 if len(uids) > 1 else SINGLE_COUNT
                    await LedgerCall(partial(page.count_tries, uids, count))
                    self._source.perform(action, uids)
                    await self._source.finish()
                    await self._note_confirmed(page)
        return more

    async def _confirmed_same(
        self, page: Page, rows: Sequence[Pending]
    ) -> tuple[Sequence[Pending], bool]:
        """Return the rows whose messages still exist, and whether other messages have some of the
        UIDs; forget the rows whose messages do not exist.
        """
        source = self._source
        sizes = await source.sizes([row.uid for row in rows])
        headers = await source.headers([r.uid for r in rows if r.uid in sizes and r.fingerprint])
        found = [(row, match(row, sizes, headers, reuses_uids=source.reuses_uids)) for row in rows]
        gone = [row.uid for row, what in found if what is Match.OTHER]
        if gone:
            await LedgerCall(lambda: page.forget(gone))
        unknown = [row.uid for row, what in found if what is Match.UNKNOWN]
        if unknown:
            await LedgerCall(lambda: page.count_tries(unknown, 1))
        same = [row for row, what in found if what is Match.SAME]
        return same, any(uid in sizes for uid in gone)

    async def _skip(self, page: Page, choice: Choice) -> None:
        """Leave the oversized messages, or delete them unread with ``limitflush``."""
        flushed = self._account.limitflush
        if choice.oversized:
            self._progress.oversized[self.mailbox] = choice.oversized
        for message in choice.oversized:
            self._report(Skipped(message.number, message.size, "oversized", flushed))
        if choice.unnamed:
            text = f"{choice.unnamed} more message(s) are oversized, and left where they are"
            self._report(Remark(text, error=False))
        if flushed:
            await self._delete(page, choice.oversized)

    async def _old(
        self, page: Page, listed: Sequence[Listed], tried: Collection[Uid]
    ) -> Sequence[Listed]:
        """Return the messages read before this poll, for ``flush``; those in ``tried`` are not."""
        if not self._account.flush or self._account.fetchall:
            return ()
        if not self._by_ledger:
            return [one for one in await self._source.old() if one.uid not in tried]
        old: list[Listed] = []
        for part in in_parts(listed, PART_SIZE):
            found = await LedgerCall(partial(page.compare, part))
            # A message with the UID of a seen one and another size may be a new message.
            new = {one.uid for one in found.new} | {one.listed.uid for one in found.changed}
            old += [one for one in part if one.uid not in new and one.uid not in tried]
        return old

    async def _flush(self, page: Page, old: Sequence[Listed]) -> bool:
        """Delete the messages read before this poll, for the option ``flush``.

        Return whether other messages now have some of the UIDs, and must be fetched.
        """
        others_there = False
        for part in in_parts(old, DELETE_BATCH_SIZE):
            same, others = await self._still_seen(page, part) if self._by_ledger else (part, ())
            others_there |= bool(others)
            for message in same:
                self._report(Skipped(message.number, 0, "", flushed=True))
            await self._delete(page, same)
        await self._source.finish()
        return others_there

    async def _still_seen(
        self, page: Page, old: Sequence[Listed]
    ) -> tuple[Sequence[Listed], Sequence[Uid]]:
        """Return the messages that are really the seen ones, and the UIDs that others now have.

        The latter are forgotten. Messages that cannot be compared stay on the server.
        """
        noted = await LedgerCall(partial(page.fingerprints, [one.uid for one in old]))
        headers = await self._source.headers(list(noted))
        found = {uid: fingerprint(headers.get(uid, b"")) for uid in noted}
        others = [uid for uid, mark in found.items() if mark not in (noted[uid], b"")]
        if others:
            await LedgerCall(partial(page.forget, others))
        if unknown := sum(not mark for mark in found.values()):
            text = (
                f"{self._source.channel.peer}: {unknown} message(s) are not flushed: without their "
                "headers from the server it is unknown whether they were read"
            )
            self._report(Remark(text, error=True))
        return [one for one in old if found.get(one.uid) == noted.get(one.uid)], others

    async def _delete(self, page: Page, messages: Sequence[Listed]) -> None:
        """Delete messages without delivery. They are recorded first, so a later poll can resume."""
        for part in in_parts(messages, DELETE_BATCH_SIZE):
            await LedgerCall(partial(page.delete_unread, part))
            await LedgerCall(page.make_durable)
            self._source.perform(Action.DELETE, [message.uid for message in part])


INBOX = "INBOX"


def mailbox_key(name: str) -> str:
    """Return a mailbox's name in the ledger. INBOX is case-insensitive (RFC 3501, 5.1)."""
    return INBOX if name.upper() == INBOX else name


def in_parts(listed: Sequence[Listed], size: int) -> Iterator[Sequence[Listed]]:
    """Yield a listing in parts of at most ``size``, so that only one is in memory at a time."""
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def uids_in_parts(listed: Sequence[Listed]) -> Iterator[Sequence[Uid]]:
    """Yield the UIDs of a listing in parts."""
    return ([one.uid for one in part] for part in in_parts(listed, PART_SIZE))


async def _ignore(new: Sequence[Listed]) -> int:
    """Ignore these messages: all messages are in the chooser already."""
    return len(new)
