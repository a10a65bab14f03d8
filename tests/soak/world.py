"""A world for one seed: mail on a server, a sink, and polls between them that go wrong.

What may never happen is checked as early as it can be seen: when a message leaves the mailbox,
when it is marked, and behind each poll.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

from mailhaul.adapters.ledger.store import SqliteLedger, prepare
from mailhaul.adapters.sinks.smtp import Listener, SmtpSink
from mailhaul.adapters.sources.access import Access, TlsMode
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.multidrop import Multidrop
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import Packer, Treatment
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Reading
from mailhaul.flows.requests import Tcp, Trust
from mailhaul.flows.serve.mailboxes import Mailbox, Mailboxes, Message
from mailhaul.flows.serve.smtp import MemorySink
from mailhaul.flows.sink import Sink
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import LocalNames
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Killed

from .faults import ALL, LAST_STEPS, Fault, Faults
from .kinds import KINDS
from .lines import FaultySimulation
from .scenario import Scenario, draw_text
from .sinks import FaultySmtp
from .sources import FaultyImap

SOURCE, SINK = Tcp("source", 1), Tcp("sink", 2)
HOURS = 6
"""Of virtual time, behind which a poll is taken to hang."""
SETTLING = 20
"""Polls without faults after which nothing may be new any more."""


class Broken(AssertionError):
    """Something happened that never may."""


class WatchedMailbox(Mailbox):
    """A mailbox that tells what is taken out of it, before it is gone."""

    def __init__(self, texts: list[bytes], watch: Callable[[Message], None]) -> None:
        self._watch = watch
        self._messages: list[Message] = []
        super().__init__(texts)

    @property
    def messages(self) -> list[Message]:
        return self._messages

    @messages.setter
    def messages(self, messages: list[Message]) -> None:
        for message in set(self._messages).difference(messages):
            self._watch(message)
        self._messages = messages


class MemoryLedger(SqliteLedger):
    """A ledger that a kill leaves as it is, as a file would be."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(":memory:", clock)

    def _open(self) -> sqlite3.Connection:
        self._connection = sqlite3.connect(":memory:")
        prepare(self._connection, ":memory:")
        return self._connection


class Others:
    """Whoever else writes to the mailbox. What they touch is theirs to answer for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.touched: set[bytes] = set()

    def _one(self, amount: int) -> Message | None:
        messages = self._world.inbox.messages
        return messages[amount % len(messages)] if messages else None

    def deliver(self) -> None:
        """Put a new message into the mailbox."""
        world = self._world
        world.inbox.append(draw_text(world.random, world.scenario.seed, world.inbox.uidnext))

    def delete_one(self, amount: int) -> None:
        """Delete a message for good."""
        if message := self._one(amount):
            self.touched.add(message.text)
            self._world.inbox.remove({message.uid})

    def read_one(self, amount: int) -> None:
        """Mark a message as read."""
        if message := self._one(amount):
            self.touched.add(message.text)
            message.flags |= {rb"\Seen"}
            self._world.inbox.touch(message)


class World:
    """What stands on both sides of the polls and outlives them. ``run`` is the whole story."""

    def __init__(self, scenario: Scenario) -> None:
        from random import Random

        self.scenario = scenario
        self.random = Random(scenario.seed)
        self.polls = 0
        self.copies_allowed = 0
        self.faults = Faults()
        self.struck: Counter[str] = Counter()
        self.events: list[Event] = []
        self.now = 1e9
        self.others = Others(self)
        self.known: set[bytes] = set()
        self.inbox = WatchedMailbox(scenario.texts, self.check_gone)
        self.mailboxes = Mailboxes({b"INBOX": self.inbox})
        self.received = MemorySink()
        self.ledger = MemoryLedger(lambda: self.now)
        names = [b"joe@here", b"ann@here"] if scenario.several else [b"joe@here"]
        self.recipients = frozenset(names)

    # Faults

    def due(self, at: str) -> Fault | None:
        """Return what is to go wrong at this operation now."""
        fault = self.faults.due(at)
        if fault:
            self.note(fault)
        return fault

    def note(self, fault: Fault) -> None:
        """Count a fault that happened, and the copies that it excuses."""
        self.struck[fault.name] += 1
        self.copies_allowed += KINDS[fault.name].copies or fault.at in LAST_STEPS

    def act(self, fault: Fault) -> Callable[..., Any]:
        """Return what does a fault."""
        act = KINDS[fault.name].act
        assert act
        return act

    # The story

    def run(self) -> None:
        """Poll with faults, then without them until nothing is new. Raises Broken."""
        for drawn in self.scenario.faults:
            self.poll(drawn)
        forever = {"keep", "fetchall"} <= self.scenario.options.keys()
        for _ in range(3 if forever else SETTLING):
            self.poll([])
            if not self.read:
                break
        else:
            if not forever:
                raise Broken(f"{SETTLING} polls without faults, and mail is still read")
        self.check_end(forever)

    def poll(self, drawn: list[Fault]) -> ExitCode | None:
        """Poll once; a kill ends it with None."""
        self.polls += 1
        self.now += 3600.0
        self.events.clear()
        self.faults = Faults(drawn)
        simulation = self._simulation()
        code: ExitCode | None = None
        try:
            code = simulation.run(self._poll().run())
        except PollFailed as failure:
            code = failure.code
        except Killed:
            pass
        for fault in self.faults.struck:
            if fault.at.startswith("line"):
                self.note(fault)
        if simulation.now > HOURS * 3600:
            raise Broken(f"a poll took {simulation.now:.0f} seconds")
        self.check_marks()
        self.check_copies()
        return code

    def _simulation(self) -> FaultySimulation:
        scenario = self.scenario
        kill_at = None
        for fault in self.faults.drawn:
            if fault.name == "kill":
                kill_at = 1 + fault.amount % (60 + 60 * len(self.inbox.messages))
                self.note(fault)
        simulation = FaultySimulation(
            self.faults,
            kill_at,
            seed=scenario.seed + self.polls,
            round_trip=scenario.round_trip,
            cut=scenario.pieces,
        )
        simulation.listen(SOURCE, ImapServer, lambda channel: FaultyImap(channel, self).run())
        simulation.listen(SINK, self._smtp_server, self._serve_smtp)
        return simulation

    def _smtp_server(self) -> SmtpServer:
        return SmtpServer(extensions=self.scenario.extensions, lmtp=self.scenario.sink == "lmtp")

    def _serve_smtp(self, channel: Channel[Any]) -> Any:
        return FaultySmtp(channel, self).run()

    def _poll(self) -> Poll:
        access = Access(
            "server", SOURCE, "joe", Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        names = LocalNames("server", [("joe", "joe"), ("ann", "ann")])
        multidrop = Multidrop(names, "X-To", 0, "boss") if self.scenario.several else None
        rules = HeaderRules("server", "joe", None)
        return Poll(
            Account("joe@server", "joe", "server", "server", **self.scenario.options),
            ImapSource(access, self.events.append),
            "sink",
            self._sink,
            self.ledger,
            lambda sink: Packer(Treatment("joe", sink.domain, rules, multidrop=multidrop)),
            self.events.append,
        )

    def _sink(self) -> Sink:
        return SmtpSink([Listener("sink", SINK, self.scenario.sink == "lmtp", "here")], "us", 20.0)

    @property
    def read(self) -> int:
        """How many messages the last poll has read."""
        return sum(isinstance(event, Reading) for event in self.events)

    # What must hold

    def copies(self) -> Counter[tuple[bytes, bytes]]:
        """Return how often each recipient got each text."""
        return Counter(
            (one.text, recipient) for one in self.received.messages for recipient in one.recipients
        )

    def is_accepted(self, text: bytes) -> bool:
        """Whether the sink has a message, for everybody whom it is for."""
        copies = self.copies()
        return all(copies[text, recipient] for recipient in self.recipients)

    def check_gone(self, message: Message) -> None:
        """A message leaves the mailbox only when the sink has it, or when others delete it."""
        text = message.text
        self.known.add(text)
        if text not in self.others.touched and not self.is_accepted(text):
            raise Broken(f"message {message.uid} was deleted and never accepted")

    def check_marks(self) -> None:
        """So it is with marks."""
        for message in self.inbox.messages:
            self.known.add(text := message.text)
            if message.flags and text not in self.others.touched and not self.is_accepted(text):
                raise Broken(f"message {message.uid} is {message.flags} and was never accepted")

    def check_copies(self) -> None:
        """No text is altered or cut short, and none comes more often than the faults excuse."""
        copies = self.copies()
        if strange := {text for text, _ in copies} - self.known:
            raise Broken(f"delivered and never sent: {[text[:200] for text in strange]}")
        if {"keep", "fetchall"} <= self.scenario.options.keys():
            return
        most: Counter[bytes] = Counter()
        for (text, _), count in copies.items():
            most[text] = max(most[text], count)
        again = most.total() - len(most)
        if again > self.copies_allowed:
            raise Broken(f"{again} copies too many, where the faults excuse {self.copies_allowed}")

    def check_end(self, forever: bool) -> None:
        """All mail is where it belongs, unless others have dealt with it."""
        if forever and "fetchlimit" in self.scenario.options:
            return
        for text in self.known - self.others.touched:
            if not self.is_accepted(text):
                raise Broken(f"not delivered in the end: {text[:80]!r}")
        left = {message.text for message in self.inbox.messages} - self.others.touched
        # Of a server that says that it has deleted what it has not, nobody asks again.
        lied_to = self.copies_allowed >= ALL
        if left and not (lied_to or "keep" in self.scenario.options):
            raise Broken(f"{len(left)} message(s) were delivered and not deleted")
