"""Days of a daemon in virtual time, with the real scheduler, pool, rc file, polls and ledger.

Only the clock and the connections are simulated. Each poll is a simulation with the servers of its
account; then the daemon's clock advances by the duration of the poll. Seeds come from
MAILHAUL_SIM_SEED.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.reach import access_of
from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.apps.polls import limited, pool
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.lines import Lines, LinesOfPoll
from mailhaul.apps.polls.poll import poll_account
from mailhaul.apps.polls.pool import PollPool
from mailhaul.flows.admission import MOST
from mailhaul.flows.channel import Channel
from mailhaul.flows.debts import REST_SECONDS
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Sleep, Tcp
from mailhaul.flows.schedule import JITTER, MAX_SECONDS
from mailhaul.flows.session import SessionObserver
from mailhaul.protocols.imap.commands import Select, UidExpunge
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.record import replace
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
SEED = int(os.environ.get("MAILHAUL_SIM_SEED", "1"))
HOUR, DAY = 3600.0, 86400.0
INTERVAL = 2 * HOUR
LONGEST_POLL = 600.0
"""Seconds of a poll whose server says nothing."""
TROUBLES = ("gone", "silent", "cut", "cut at the end", "wrong password")


@pytest.fixture
def transcript() -> None:
    """Record nothing, because there are thousands of polls."""


@dataclass
class Box:
    """One user's mailbox on its server, and its current problem."""

    inbox: Mailbox = field(default_factory=Mailbox)
    trouble: str = ""
    begun: list[float] = field(default_factory=list[float])
    logins_refused: int = 0


class LongSession(SessionObserver):
    """Reports everything about a session except its end."""

    def __init__(self, observer: SessionObserver) -> None:
        self.logged_in = observer.logged_in  # type: ignore[method-assign]
        self.failed = observer.failed  # type: ignore[method-assign]
        self.is_repeated = observer.is_repeated  # type: ignore[method-assign]


class Days:
    """A daemon and its simulated servers."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        print(f"MAILHAUL_SIM_SEED={SEED}")
        self.home = home
        self.chance = random.Random(SEED)
        self.boxes: dict[str, Box] = {}
        self.sink = MemorySink()
        self.sent = 0
        self.running: Counter[str] = Counter()
        self.most_running: Counter[str] = Counter()
        self.said: list[str] = []
        self._caller = Caller("me", os.getuid(), str(home), None, str(home))
        self.lines = Lines(0)
        self.lines.complain = lambda text, *_: self.said.append(text)  # type: ignore[method-assign]

        async def tell_nobody(*_: object) -> bool:
            return True

        async def no_rest(*_: object) -> None:
            """Ask no ledger in a thread, for which a virtual clock does not wait."""

        monkeypatch.setattr(limited, "at_rest", no_rest)
        monkeypatch.setattr(limited, "poll_account", self._poll)
        monkeypatch.setattr(pool, "tell", tell_nobody)

    # The world

    async def _poll(
        self, settings: AccountSettings, context: PollContext, lines: LinesOfPoll
    ) -> ExitCode:
        """Poll in a simulation, then advance the daemon's clock."""
        box = self.boxes[settings.remote_user]
        box.begun.append(trio.current_time())
        self.running[settings.host] += 1
        self.most_running |= self.running
        simulation = Simulation(seed=SEED, round_trip=0.05)
        address = access_of(settings, None).address
        if box.trouble != "gone":
            simulation.listen(address, ImapServer, partial(self._serve, box))
        simulation.listen(Tcp("localhost", 25), SmtpServer, partial(serve_smtp, sink=self.sink))
        try:
            # The whole poll is simulated at once: the connection ends when its time has passed.
            at_once = replace(context, session=LongSession(context.session))
            code = simulation.run(poll_account(settings, at_once, lines))
            await Sleep(simulation.now)
        finally:
            self.running[settings.host] -= 1
        box.logins_refused += code is ExitCode.AUTHFAIL
        return code

    def _serve(self, box: Box, channel: Channel[ImapServer]) -> Any:
        word = b"another" if box.trouble == "wrong password" else b"secret"
        wrong = Misbehaviour()
        if box.trouble == "silent":
            wrong = Misbehaviour(silent={Select})
        elif box.trouble == "cut":
            wrong = Misbehaviour(cut={message.uid: 40 for message in box.inbox.messages})
        elif box.trouble == "cut at the end":
            wrong = Misbehaviour(hang_up={UidExpunge})
        boxes = Mailboxes({b"INBOX": box.inbox})
        return serve_imap(channel, boxes, _Anybody(word), wrong)

    def arrive(self, box: Box) -> None:
        """Add a message that differs from all others."""
        self.sent += 1
        box.inbox.append(b"From: a@x\r\nSubject: %d\r\n\r\nHello.\r\n" % self.sent)

    def delivered(self) -> Counter[bytes]:
        """Return how often each message was delivered."""
        texts = (received.text for received in self.sink.messages)
        return Counter(text.partition(b"Subject: ")[2].split()[0] for text in texts)

    # The daemon

    def accounts(self, numbers: range, hosts: int, options: str = "") -> list[AccountSettings]:
        """Parse an rc file with these accounts on this number of hosts."""
        return self.read(
            "".join(
                f"poll h{n % hosts} proto imap user u{n} password secret sslproto '' {options}\n"
                for n in numbers
            )
        )

    def read(self, text: str) -> list[AccountSettings]:
        """Parse an rc file, and give each user in it a mailbox."""
        path = self.home / "rc"
        path.write_text(text)
        path.chmod(0o600)
        accounts = [*load(["-f", str(path)], self._caller, bytes).accounts]
        for account in accounts:
            self.boxes.setdefault(account.remote_user, Box())
        return accounts

    def live(
        self, accounts: list[AccountSettings], story: Callable[[Scheduler], Any], interval: float
    ) -> None:
        """Run the daemon with these events."""
        ledger = SqliteLedger(str(self.home / "ledger.db"), lambda: 1e9 + trio.current_time())
        path = self.home / "rc"
        context = PollContext(
            *(self._caller, load(["-f", str(path)], self._caller, bytes).globals, False, ledger),
            *(str(self.home / "locks"), "here", no_trace),
        )
        scheduler = Scheduler(PollPool(context), self.lines, chance=self.chance.random)

        async def main() -> None:
            scheduler.set_accounts(accounts, interval)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run)
                await story(scheduler)
                scheduler.stop()

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        ledger.close()

    def trouble(self, boxes: list[Box], share: float) -> list[Box]:
        """Give some of the mailboxes a problem; return them."""
        troubled = self.chance.sample(boxes, int(len(boxes) * share))
        for box in troubled:
            box.trouble = self.chance.choice(TROUBLES)
        return troubled

    def check_that_nobody_is_forgotten(self, boxes: list[Box], interval: float) -> None:
        """All accounts were polled recently, except those with a wrong password."""
        longest = max(interval, MAX_SECONDS) * (1 + JITTER) + LONGEST_POLL
        forgotten = [
            box
            for box in boxes
            if not box.logins_refused and trio.current_time() - box.begun[-1] > longest
        ]
        assert forgotten == []

    def check_the_end(self) -> None:
        """All mail was delivered once, and no server had too many connections."""
        assert {len(box.inbox.messages) for box in self.boxes.values()} == {0}
        delivered = self.delivered()
        assert len(delivered) == self.sent
        assert delivered.total() == self.sent
        assert max(self.most_running.values()) <= MOST


def no_trace(protocol: str) -> None:
    """Trace nothing."""


class _Anybody(dict[bytes, bytes]):
    """Accounts for any user, all with the same password."""

    def __init__(self, word: bytes) -> None:
        super().__init__()
        self._word = word

    def get(self, user: bytes, default: Any = None) -> Any:
        return self._word

    def __getitem__(self, user: bytes) -> bytes:
        return self._word

    def __contains__(self, user: object) -> bool:
        return True


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Days:
    return Days(tmp_path, monkeypatch)


def test_a_thousand_accounts_with_troubles_reloads_and_a_night_asleep(days: Days) -> None:
    hours = 24 if SOAK else 5

    async def story(scheduler: Scheduler) -> None:
        everybody = list(days.boxes.values())
        for hour in range(hours):
            for box in days.chance.sample(everybody, 200):
                days.arrive(box)
            troubled = days.trouble(everybody, 0.1)
            await trio.sleep(HOUR / 2)
            if hour == 2:
                # Who is new is polled, who has gone is not, and who has changed goes on.
                scheduler.set_accounts(days.accounts(range(5, 1005), 5, "fetchlimit 99"), INTERVAL)
                # Servers that did not answer allow few connections, and all are polled now.
                await trio.sleep(3 * LONGEST_POLL)
                assert all(days.boxes[f"u{n}"].begun for n in range(1000, 1005))
                scheduler.set_accounts(days.accounts(range(1005), 5), INTERVAL)
                everybody = list(days.boxes.values())
            if hour == 3:
                # Asleep: the clock stands still, mail comes, and then all happens at once.
                for box in days.chance.sample(everybody, 500):
                    days.arrive(box)
                scheduler.renew()
            await trio.sleep(HOUR / 2)
            for box in troubled:
                box.trouble = ""
            if hour >= 2:
                days.check_that_nobody_is_forgotten(everybody, INTERVAL)
        # What a server failed to delete rests for an hour.
        await trio.sleep(REST_SECONDS + INTERVAL * 1.2 + LONGEST_POLL)
        # Passwords that were wrong for long are tried again once a day, or when somebody asks.
        scheduler.wake()
        await trio.sleep(LONGEST_POLL)

    days.live(days.accounts(range(1000), 5), story, INTERVAL)
    days.check_the_end()
    assert max(box.logins_refused for box in days.boxes.values()) <= 4 + hours // 24


def test_a_year_of_ten_accounts(days: Days) -> None:
    each_day = 365 if SOAK else 41

    async def story(scheduler: Scheduler) -> None:
        boxes = list(days.boxes.values())
        for day in range(each_day):
            for box in days.chance.sample(boxes, 3):
                days.arrive(box)
            troubled = days.trouble(boxes, 0.2) if day % 3 == 0 else []
            await trio.sleep(DAY / 2)
            if day % 50 == 40:
                scheduler.set_accounts(days.accounts(range(10), 10, f"fetchlimit {day}"), 6 * HOUR)
            if day % 30 == 20:
                scheduler.renew()
            await trio.sleep(DAY / 2)
            for box in troubled:
                box.trouble = ""
            days.check_that_nobody_is_forgotten(boxes, 6 * HOUR)
        await trio.sleep(2 * DAY)

    days.live(days.accounts(range(10), 10), story, 6 * HOUR)
    days.check_the_end()
    # Nobody is hammered: a handful for each day with a wrong password.
    troubled_days = each_day / 3 * 2 / len(TROUBLES)
    assert sum(box.logins_refused for box in days.boxes.values()) <= troubled_days * 6
