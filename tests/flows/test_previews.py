"""The verdict on every kind of message, before a poll: in virtual time, with a copied ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.ledger.copy import LedgerCopy
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account, Action
from mailhaul.flows.ledger import Acceptance
from mailhaul.flows.outcome import ExitCode, Outcome, Verdict
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.preview import Asked, Forecast, MailboxPreview, PreviewVisit
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.retention import DAY, Standing
from mailhaul.flows.source import Listed
from mailhaul.flows.visit import Visit
from mailhaul.protocols.message.fingerprint import fingerprint
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink, serve_smtp

POP3, SMTP = Tcp("pop3", 110), Tcp("smtp", 25)
NAME, SINK = "pop3 joe@server", "smtp sink"
REFUSED = Outcome(Verdict.REFUSED, "not this one")


def text(number: int, size: int = 0) -> bytes:
    head = b"From: a%d@example.org\r\nSubject: %d\r\n\r\n" % (number, number)
    return head + b"x" * size + b"\r\n"


class World:
    """A maildrop and a ledger."""

    def __init__(self, folder: Path, sizes: Sequence[int]) -> None:
        self.path = folder / "ledger.db"
        box = Mailbox([text(number, size) for number, size in enumerate(sizes, 1)], uidvalidity=5)
        self.maildrop = Maildrop(box)
        self.received = MemorySink()
        self.shown: list[MailboxPreview] = []
        self.remarks: list[Any] = []

    def listed(self) -> list[Listed]:
        """Return the messages as the server lists them."""
        self.preview(fetchall=True)
        return [one.message for one in self.shown[-1].messages]

    def preview(self, *, everything: bool = False, **options: Any) -> list[tuple[int, Any, Any]]:
        """Return number, verdict and action of each message that is shown."""
        source = self.source(read_only=True)
        visit = partial(PreviewVisit, source, Asked(everything=everything), self.shown.append)
        code = self.run(source, LedgerCopy(str(self.path)), visit, check_only=True, **options)
        messages = self.shown[-1].messages
        fetched = {Forecast.FETCH, Forecast.RETRY, Forecast.REFUSE}
        assert (code is ExitCode.SUCCESS) == any(one.forecast in fetched for one in messages)
        return [(one.message.number, one.forecast, one.action) for one in messages]

    def poll(self, **options: Any) -> tuple[set[int], set[int]]:
        """Poll; return the numbers of the messages that were delivered, and of those removed."""
        numbers = {one.uid: n for n, one in enumerate(self.maildrop.mailbox.messages, 1)}
        subjects = {one.text.split(b"\r\n")[1]: one.uid for one in self.maildrop.mailbox.messages}
        self.received.messages.clear()
        ledger = SqliteLedger(str(self.path))
        self.run(self.source(read_only=False), ledger, Visit, **options)
        ledger.close()
        left = {one.uid for one in self.maildrop.mailbox.messages}
        delivered = [one.text[one.text.index(b"Subject:") :] for one in self.received.messages]
        uids = [subjects[one.split(b"\r\n")[0]] for one in delivered]
        return {numbers[uid] for uid in uids}, {numbers[uid] for uid in numbers.keys() - left}

    def source(self, *, read_only: bool) -> Pop3Source:
        access = Access(
            *("server", POP3, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server")),
            timeout=20.0,
            read_only=read_only,
        )
        return Pop3Source(access, self.remarks.append)

    def run(self, source: Pop3Source, ledger: SqliteLedger, visit: Any, **options: Any) -> ExitCode:
        account = Account(NAME, "joe", "server", "server.example.org", **options)
        rules = HeaderRules("server.example.org", "joe", None)
        poll = Poll(
            account,
            source,
            SINK,
            lambda: SmtpSink([Listener("sink", SMTP, False, "here")], "client", 20.0),
            ledger,
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.remarks.append,
            visit=visit,
        )
        simulation = Simulation(round_trip=0.05)
        logins = Logins({b"joe": b"sesame"})
        simulation.listen(POP3, Pop3Server, lambda c: serve_pop3(c, self.maildrop, logins))
        simulation.listen(SMTP, SmtpServer, lambda c: serve_smtp(c, self.received))
        self.maildrop.busy = False
        return simulation.run(poll.run())


def test_each_kind_of_message_has_its_verdict(tmp_path: Path) -> None:
    world = World(tmp_path, [0, 0, 0, 0, 0, 9000])
    seen, delivered, stuck, failed, *_ = world.listed()
    seconds = count(1_000_000_000)
    ledger = SqliteLedger(str(world.path), lambda: next(seconds))
    page = ledger.page(NAME, SINK, "INBOX", 0)
    page.mark_compared()
    page.mark_seen([seen])
    accepted = Outcome(Verdict.ACCEPTED)
    mark = fingerprint(text(2))
    page.accept([Acceptance(delivered.uid, delivered.size, Action.DELETE, accepted, mark)])
    for one in (stuck, failed):
        for _ in range(2):
            page.reject(one.uid, one.size, REFUSED, b"")
    page.set_aside(stuck.uid)
    ledger.close()
    before = world.path.read_bytes()
    delete = Action.DELETE
    assert world.preview(limit=5000) == [
        (2, Forecast.DELIVERED, delete),
        (3, Forecast.QUARANTINED, None),
        (4, Forecast.RETRY, delete),
        (5, Forecast.FETCH, delete),
        (6, Forecast.OVERSIZED, None),
    ]
    assert world.shown[-1].seen == 1
    assert world.preview(limit=5000, limitflush=True, keep=True, everything=True) == [
        (1, Forecast.SEEN, None),
        (2, Forecast.DELIVERED, delete),
        (3, Forecast.QUARANTINED, None),
        (4, Forecast.RETRY, Action.MARK),
        (5, Forecast.FETCH, Action.MARK),
        (6, Forecast.OVERSIZED, delete),
    ]
    assert world.path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.db"]
    assert len(world.maildrop.mailbox.messages) == 6


def test_flush_deletes_what_was_seen(tmp_path: Path) -> None:
    world = World(tmp_path, [0, 0])
    seen, _ = world.listed()
    ledger = SqliteLedger(str(world.path))
    page = ledger.page(NAME, SINK, "INBOX", 0)
    page.mark_compared()
    page.mark_seen([seen])
    ledger.close()
    assert world.preview(flush=True, keep=True) == [
        (1, Forecast.SEEN, Action.DELETE),
        (2, Forecast.FETCH, Action.MARK),
    ]


@pytest.mark.parametrize(
    ("limit", "announced_ago", "expired", "held"),
    [(100, 10, [1, 2], ""), (1, 10, [1], ""), (100, 0, [], "a day after")],
)
def test_what_was_delivered_long_ago_is_shown_and_then_deleted(
    tmp_path: Path, limit: int, announced_ago: int, expired: list[int], held: str
) -> None:
    world = World(tmp_path, [0] * 4)
    listed = world.listed()
    moment = now = time.time()
    ledger = SqliteLedger(str(world.path), lambda: moment)
    page = ledger.page(NAME, SINK, "INBOX", 0)
    page.mark_compared()
    outcome = Outcome(Verdict.ACCEPTED, "", (("joe", Verdict.ACCEPTED),))
    for number, days in ((1, 40), (2, 35), (3, 5)):
        moment = now - days * DAY
        one = listed[number - 1]
        page.accept(
            [Acceptance(one.uid, one.size, Action.MARK, outcome, fingerprint(text(number)))]
        )
        page.mark_seen([one])
    page.retention().note(Standing(30 * DAY, int(now) - announced_ago * DAY, int(now)))
    ledger.close()
    options: dict[str, Any] = {"keep": True, "delete_after": 30 * DAY, "delete_limit": limit}
    before = world.path.read_bytes()
    shown = world.preview(**options)
    delete, keep = Action.DELETE, Action.MARK
    assert shown == [
        *((number, Forecast.EXPIRED, delete) for number in expired),
        (4, Forecast.FETCH, keep),
    ]
    retention = world.shown[-1].retention
    assert retention is not None
    assert (retention.due, held in retention.held) == (2, True)
    assert bool(retention.held) == bool(held)
    assert world.path.read_bytes() == before
    # With all messages, each is shown once.
    numbers = [one[0] for one in world.preview(everything=True, **options)]
    assert numbers == [1, 2, 3, 4]
    assert world.poll(**options) == ({4}, {*expired})


def test_what_fetchlimit_leaves_comes_later(tmp_path: Path) -> None:
    world = World(tmp_path, [0] * 4)
    verdicts = [one[1] for one in world.preview(fetchlimit=3)]
    assert verdicts == [Forecast.FETCH] * 3 + [Forecast.LATER]


def test_the_records_of_an_earlier_name_count(tmp_path: Path) -> None:
    world = World(tmp_path, [0, 0])
    ledger = SqliteLedger(str(world.path))
    page = ledger.page("pop3 joe@old", SINK, "INBOX", 0)
    page.mark_compared()
    page.mark_seen(world.listed())
    ledger.close()
    assert world.preview(same_user="pop3 joe@") == []
    assert any("earlier name" in remark.text for remark in world.remarks if hasattr(remark, "text"))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keep": True},
        {"keep": True, "fetchall": True},
        {"limit": 5000},
        {"limit": 5000, "limitflush": True, "keep": True},
        {"flush": True, "keep": True},
        {"fetchlimit": 2, "keep": True},
        {"fetchlimit": 2, "limit": 5000, "limitflush": True},
    ],
    ids=str,
)
def test_a_poll_does_what_the_preview_says(tmp_path: Path, options: dict[str, Any]) -> None:
    world = World(tmp_path, [0, 9000, 0, 0])
    for number in range(3):
        shown = world.preview(**options)
        fetched = {n for n, forecast, _ in shown if forecast in {Forecast.FETCH, Forecast.RETRY}}
        deleted = {n for n, _, action in shown if action is Action.DELETE}
        assert world.poll(**options) == (fetched, deleted)
        world.maildrop.mailbox.append(text(10 + number, 9000 * (number % 2)))
