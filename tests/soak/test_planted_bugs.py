"""The soak finds what is wrong: bugs are planted, and each shows within some seeds."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mailhaul.adapters import folders
from mailhaul.adapters.ledger.page import SqlitePage
from mailhaul.adapters.sinks import bsmtp, maildir
from mailhaul.adapters.sinks.imap_append import AppendDelivery
from mailhaul.adapters.sinks.maildir import MaildirSink
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Action
from mailhaul.flows.ferry import Ferry, Unanswered
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.source import Arrived, Arriving, Complete, Part
from mailhaul.protocols.errors import ProtocolError

from .disk import Disk, File
from .kinds import possible
from .run import SeedFailed, Summary, run_seed
from .scenario import draw_scenario

LOSS = re.compile("lost: |never accepted|not delivered in the end")


def complaint_within(seeds: int, sink: str = "") -> str:
    """Run seeds until one fails, those of one sink only if asked; return what it says."""
    for seed in range(1, seeds + 1):
        if sink and draw_scenario(seed, possible).sink != sink:
            continue
        try:
            run_seed(seed, Summary())
        except SeedFailed as failure:
            return str(failure)
    return f"{seeds} seeds have shown nothing"


def test_a_delete_before_the_sink_accepts_shows_within_20_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    carry = Ferry._carry

    async def delete_and_carry(self: Ferry, message: Arriving) -> None:
        self._source.perform(self._account.action, [message.uid])
        await carry(self, message)

    monkeypatch.setattr(Ferry, "_carry", delete_and_carry)
    assert LOSS.search(complaint_within(20))


def test_a_ledger_written_after_the_delete_shows_within_2000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late: list[tuple[SqlitePage, Any]] = []
    settle, accept = Ferry._settle, SqlitePage.accept

    def remember(self: SqlitePage, *row: Any) -> None:
        late.append((self, row))

    async def settle_and_write(self: Ferry) -> None:
        await settle(self)
        while late:
            page, row = late.pop()
            accept(page, *row)

    monkeypatch.setattr(SqlitePage, "accept", remember)
    monkeypatch.setattr(Ferry, "_settle", settle_and_write)
    assert "copies too many" in complaint_within(2000, "lmtp")


def test_a_folder_that_is_not_synced_shows_within_3000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maildir, "sync_folder", lambda path: None)
    assert LOSS.search(complaint_within(3000, "maildir"))


def test_a_maildir_that_is_made_and_not_synced_shows_within_3000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MaildirSink, "_settle_in", lambda self: None)
    monkeypatch.setattr(folders, "sync_folder", lambda path: None)
    assert LOSS.search(complaint_within(3000, "maildir"))


def test_a_file_that_is_not_synced_shows_within_3000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsync = Disk.fsync

    def folders_only(self: Disk, descriptor: int) -> None:
        if not isinstance(self._open.get(descriptor), File):
            fsync(self, descriptor)

    monkeypatch.setattr(Disk, "fsync", folders_only)
    assert "delivered and never sent" in complaint_within(3000, "maildir")


def test_a_verdict_that_nobody_gave_shows_within_100_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the sink says counts as acceptance."""
    record = Ferry._record

    async def accept(self: Ferry, last: Unanswered, outcome: Outcome) -> None:
        await record(self, last, Outcome(Verdict.ACCEPTED, "", outcome.recipients))

    monkeypatch.setattr(Ferry, "_record", accept)
    assert LOSS.search(complaint_within(100))


def test_a_text_that_breaks_off_and_counts_as_whole_shows_within_300_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    next_part = Ferry._next_part

    async def end_where_it_ends(self: Ferry) -> Part:
        try:
            return await next_part(self)
        except ProtocolError:
            if self._arriving is None:
                raise
            uid, size = self._arriving.uid, self._arriving.size
            return Arrived(Complete(uid, size), size)

    monkeypatch.setattr(Ferry, "_next_part", end_where_it_ends)
    assert "delivered and never sent" in complaint_within(300)


def test_a_deletion_confirmed_before_it_is_done_shows_within_1000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As soon as it was asked for, the ledger forgets about it."""
    perform = ImapSource.perform

    def perform_and_confirm(self: ImapSource, action: Action, uids: Any) -> None:
        perform(self, action, uids)
        self._actions._confirmed += list(uids)

    monkeypatch.setattr(ImapSource, "perform", perform_and_confirm)
    assert re.search("copies too many|not deleted", complaint_within(1000))


def test_an_append_that_is_repeated_blindly_shows_within_2000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def look_nowhere(self: AppendDelivery) -> bool:
        return False

    monkeypatch.setattr(AppendDelivery, "_is_there", look_nowhere)
    assert "copies too many" in complaint_within(2000, "append")


def test_a_batch_that_is_added_to_behind_half_a_message_shows_within_6000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bsmtp, "mend", lambda file, size: size)
    assert LOSS.search(complaint_within(6000, "bsmtp"))


def test_a_mailbox_file_that_is_not_cut_back_shows_within_3000_seeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Disk, "ftruncate", lambda disk, file, size: None)
    assert "copies too many" in complaint_within(3000, "mbox")
