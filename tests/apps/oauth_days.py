"""Days of a daemon that signs in with tokens, in virtual time: issuer, mail server and listener.

Scheduler, pool, rc file, polls, tokens on disk and ledger are the real ones; the clock and the
connections are simulated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul import sasl
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.alerts import AlertBook
from mailhaul.adapters.ledger.results import entry_results
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.oauth.accounts import owner_of
from mailhaul.adapters.oauth.saved import SavedToken
from mailhaul.adapters.oauth.store import TokenStore
from mailhaul.apps.daemon.scheduler import Scheduler
from mailhaul.apps.daemon.service import woken_jobs
from mailhaul.apps.polls import tokens as tokens_module
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.jobs import JobState
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.pool import PollPool
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode
from mailhaul.flows.requests import Tcp
from mailhaul.protocols.imap.events import SaidBye
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes import trio as runtime
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import CAPABILITIES, ImapService
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

from ..adapters.http.peer import Peer, Taken
from ..adapters.oauth.issuer import ISSUER, START, FakeIssuer

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
USER = "joe"
TICK = 60.0
"""Seconds between two looks at the files with tokens: more than in the daemon, to be quick."""
RC = (
    "poll mail.example proto imap auth oauth oauthissuer {issuer} oauthclient mailhaul-id\n"
    "  user {user} sslproto '' {options}\n"
)


class TimedIssuer(FakeIssuer):
    """Notes when it is asked for tokens, and until when those that it gave are valid."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock
        self.tried: list[float] = []
        self.valid: dict[bytes, float] = {}

    def respond_to(self, form: dict[str, str]) -> tuple[int, Any]:
        self.tried.append(self.clock())
        status, document = super().respond_to(form)
        if status == 200 and not isinstance(document, bytes):
            lifetime = document.get("expires_in", 3600)
            self.valid[document["access_token"].encode()] = self.clock() + lifetime
        return status, document

    def respond(self, taken: Taken) -> tuple[int, Any]:
        if self.answer and taken.method == "GET":
            # What is wrong with it is wrong with all of it.
            self.tried.append(self.clock())
            return self.answer({})
        return super().respond(taken)

    def revoke(self) -> None:
        self.revoked = True
        self.valid.clear()


class TokenLogins(Logins):
    """Knows users by their tokens."""

    def __init__(self, owner: Callable[[Secret], bytes | None]) -> None:
        super().__init__({})
        self._accounts = sasl.Accounts(token_owner=owner)

    @property
    def mechanisms(self) -> tuple[bytes, ...]:
        return (b"OAUTHBEARER", b"XOAUTH2")


class OAuthDays:
    """A daemon, its issuer, its mail server and its listener."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.offset = 0.0
        """Seconds by which this machine's clock is wrong."""
        self.issuer = TimedIssuer(self.real_time)
        self.issuer_is_down = False
        self.mail_refuses = False
        self.ends_sessions = False
        """Whether the mail server ends a session together with its token, as Gmail does."""
        self.arrivals: list[float] = []
        """When mail comes, in seconds from the start: for sessions that wait for it."""
        self.inbox = Mailbox()
        self.sink = MemorySink()
        self.sent = 0
        self.logins: list[float] = []
        self.refused: list[float] = []
        self.said: list[str] = []
        self.codes: list[ExitCode] = []
        self.simulation: Simulation | None = None
        self.lines = Lines(0)
        self.lines.complain = self.complain  # type: ignore[method-assign]
        self.caller = Caller("me", os.getuid(), str(home), None, str(home))
        self.pool: PollPool | None = None
        monkeypatch.setattr(runtime, "run", self.run)
        monkeypatch.setattr(tokens_module, "time", SimpleNamespace(time=self.own_time))

    def complain(self, text: str, account: str = "", code: str = "") -> None:
        self.said.append(text)

    # Clocks

    def real_time(self) -> float:
        """The time by the clocks of the servers."""
        here = self.simulation.now if self.simulation else 0.0
        return START + trio.current_time() + here

    def own_time(self) -> float:
        """The time by this machine's clock."""
        return self.real_time() + self.offset

    # Servers

    async def run(self, flow: Any, *_: Any) -> Any:
        """Run a flow in a simulation, then advance the daemon's clock."""
        self.simulation = simulation = Simulation(round_trip=0.05)
        simulation.listen(Tcp("mail.example", 143), ImapServer, self.serve_imap)
        simulation.listen(Tcp("localhost", 25), SmtpServer, partial(serve_smtp, sink=self.sink))
        for when in self.arrivals:
            left = START + when - self.real_time()
            if left > 0:
                simulation.call_later(left, self.arrive)
        if not self.issuer_is_down:
            simulation.listen(Tcp("issuer.example", 443), Peer, self.issuer.serve)
        try:
            result = simulation.run(flow)
        finally:
            took, self.simulation = simulation.now, None
        await trio.sleep(took)
        if isinstance(result, ExitCode):
            self.codes.append(result)
        return result

    async def serve_imap(self, channel: Channel[ImapServer]) -> None:
        offers = {*CAPABILITIES, b"SASL-IR", b"IDLE"}
        service = ImapService(channel, Mailboxes({b"INBOX": self.inbox}), {}, offers)
        service._logins = TokenLogins(partial(self.owner_of_token, channel))  # pyright: ignore[reportPrivateUsage]
        await service.run()

    def end_later(self, channel: Channel[ImapServer], seconds: float) -> None:
        """End a session some time from now."""

        def end() -> None:
            if channel.open:
                channel.machine.send(SaidBye(None, b"the token has expired"))

        assert self.simulation
        self.simulation.call_later(seconds, end)

    def owner_of_token(self, channel: Channel[ImapServer], token: Secret) -> bytes | None:
        """Check a token, as the mail server does by its own clock."""
        now = self.real_time()
        self.logins.append(now)
        left = self.issuer.valid.get(token.reveal(), 0.0) - now
        if self.mail_refuses or left <= 0:
            self.refused.append(now)
            return None
        if self.ends_sessions:
            self.end_later(channel, left)
        return USER.encode()

    def arrive(self) -> None:
        self.sent += 1
        self.inbox.append(b"From: a@x\r\nSubject: %d\r\n\r\nHello.\r\n" % self.sent)

    def subjects(self) -> list[str]:
        heads = (one.text.partition(b"Subject: ")[2] for one in self.sink.messages)
        return [head.split(b"\r\n")[0].decode() for head in heads]

    @property
    def delivered(self) -> int:
        return len([subject for subject in self.subjects() if subject.isdigit()])

    @property
    def notices(self) -> list[str]:
        """The mails about a login, in the order in which they came."""
        return [subject for subject in self.subjects() if not subject.isdigit()]

    # The user

    def log_in(self) -> None:
        """Sign in, as ``mailhaul login`` does it in another process."""
        self.issuer.revoked = False
        self.issuer.refresh = f"consent-{len(self.issuer.tried)}"
        owner = owner_of(ISSUER, None, "mailhaul-id", USER, "code")
        store = TokenStore(str(self.home / "tokens"), owner)
        while not store.try_lock():
            raise AssertionError("a poll is not under way here")
        store.save(SavedToken(refresh=Secret(self.issuer.refresh.encode())))
        store.unlock()

    # The daemon

    def accounts(self, *options: str) -> Sequence[AccountSettings]:
        """Parse an rc file with an entry for each of these options."""
        path = self.home / "rc"
        known = {"issuer": f'"{ISSUER}"', "user": USER}
        path.write_text("".join(RC.format(**known, options=one) for one in options))
        path.chmod(0o600)
        return load(["-f", str(path)], self.caller, bytes).accounts

    def live(self, story: Callable[[Scheduler], Any], interval: float, *options: str) -> None:
        """Run the daemon while a story is told."""

        async def main() -> None:
            accounts = self.accounts(*(options or ("",)))
            ledger = SqliteLedger(str(self.home / "ledger.db"), self.real_time)
            settings = load(["-f", str(self.home / "rc")], self.caller, bytes).globals
            self.pool = PollPool(
                PollContext(
                    *(self.caller, settings, False, ledger),
                    *(str(self.home / "locks"), "here", no_trace),
                )
            )
            scheduler = Scheduler(
                self.pool, self.lines, chance=lambda: 0.5, wall_clock=self.own_time
            )
            scheduler.load_results(entry_results(ledger))
            scheduler.alerts.told = list(AlertBook(ledger).told())
            scheduler.set_accounts(accounts, interval)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(scheduler.run)
                nursery.start_soon(self.watch_files, scheduler)
                await story(scheduler)
                scheduler.stop()
                nursery.cancel_scope.cancel()
            ledger.record_results(scheduler.unwritten)
            ledger.close()

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    async def watch_files(self, scheduler: Scheduler) -> None:
        """Wake jobs as the daemon's service does."""
        while True:
            await trio.sleep(TICK)
            assert self.pool
            for job, _ in woken_jobs(scheduler.jobs, self.pool.context):
                if job.state is JobState.WAITING:
                    scheduler.wake_one(job)


def no_trace(protocol: str) -> None:
    """Trace nothing."""


def most_in_an_hour(times: Sequence[float]) -> int:
    """Return the largest number of tries within any hour; requests of one poll are one try."""
    tries = [when for n, when in enumerate(times) if not n or when - times[n - 1] > 5.0]
    return max((sum(first <= when < first + HOUR for when in tries) for first in tries), default=0)
