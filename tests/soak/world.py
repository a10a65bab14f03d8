"""A world for one seed: mail on a server, a sink, and polls between them that go wrong.

What may never happen is checked as early as it can be seen: when a message leaves the mailbox,
when it is marked, and behind each poll.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any

from mailhaul.adapters.http.client import HttpOptions
from mailhaul.adapters.ledger.retention import confirm, mailboxes_of
from mailhaul.adapters.ledger.uploads import Uploads
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.bsmtp import BsmtpSink
from mailhaul.adapters.sinks.gmail import GmailSink, Target
from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.adapters.sinks.maildir import MaildirSink
from mailhaul.adapters.sinks.mbox import MboxSink
from mailhaul.adapters.sinks.mda import MdaSink
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sinks.smtp_parallel import ParallelSmtpSink
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.adapters.sources.imap_watch import WatchedSource
from mailhaul.adapters.sources.pop3 import Pop3Source
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.multidrop import Multidrop
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Reading
from mailhaul.flows.requests import Address, Flow, Pipe, RuntimeFault, Sleep, Tcp, Trust
from mailhaul.flows.sink import Sink
from mailhaul.flows.source import Source
from mailhaul.protocols.errors import ProtocolError
from mailhaul.protocols.gmail.requests import Importer
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.message.bounce import BounceContext
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.message.recipients import LocalNames
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Killed
from mailhaul.servers.mailboxes import Mailbox, Message
from mailhaul.servers.pop3 import Maildrop
from mailhaul.servers.smtp import MemorySink
from tests.real.servers.gmail import Service

from .disk import Disk, in_place_of_os
from .faults import ALL, ALL_AGAIN, FOR_EVER, Fault, Faults
from .files import BATCH, MAILBOX, Copies, in_batch, in_mailbox
from .gmail_sink import USER, FaultyGmail, HttpPeer, Tokens
from .imap_source import FaultyImap
from .kinds import KINDS
from .ledger import MemoryLedger
from .lines import PROCESS, FaultySimulation
from .mda_sink import run_mda
from .others import Others
from .pop3_source import FaultyPop3
from .quirks import QUIRKS
from .scenario import LONGEST, Scenario
from .smtp_sink import FaultySmtp

OCCASION = BounceContext("us", b"Mon, 2 Nov 2026 10:00:00 +0000", b"1@us", b"=boundary")
SOURCE, SINK = Tcp("source", 1), Tcp("sink", 2)
PLUGIN = Pipe(("plugin",))
HOURS = 6
"""Of virtual time, behind which a poll is taken to hang."""
LITERALS = {"LITERAL+": (b"LITERAL+",), "LITERAL-": (b"LITERAL-",), "no literals": ()}
"""What the server of ``append`` announces (RFC 7888)."""
SETTLING = 20
"""Polls without faults after which nothing may be new any more."""

TEXTS = frozenset({"imap UidFetch", "pop3 Top", "pop3 Retrieve"})
"""Where a message is read."""
LEAVES_LANES = {"kill", "blackout", "kill in a call", "ledger full"}
"""What leaves verdicts unknown: of one message, or of as many as the sink has lanes."""
LEFT_TO_GMAIL = {"kill", "blackout", "kill in a call"}
"""After these no message may come twice: its upload is in the ledger before its text is sent."""
POWER_LOSS = {"power loss", "power loss in a call"}
KILLED = Fault("kill", "process step", 1, 1, 0)
"""Stands for a death that another table has drawn."""
GOOD = frozenset({ExitCode.SUCCESS, ExitCode.NOMAIL, ExitCode.MAXFETCH})


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


def is_bounce(text: bytes) -> bool:
    """Whether a message tells that another one could not be delivered (RFC 3464)."""
    return b"\r\nContent-Type: multipart/report" in text


def access_to(peer: str, address: Address, tls: TlsMode = TlsMode.NEVER) -> Access:
    """Return how to reach a server, in the clear unless told otherwise."""
    return Access(peer, address, "joe", Secret(b"sesame"), tls, Trust(peer), timeout=20.0)


class Locks:
    """Who has the mailbox; what a process had is free when it ends."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, mailbox: str) -> Lock:
        return Lock(self._taken, mailbox)


class Lock:
    """One mailbox."""

    def __init__(self, taken: set[str], mailbox: str) -> None:
        self._taken = taken
        self._mailbox = mailbox

    def acquire(self) -> bool:
        if self._mailbox in self._taken:
            return False
        self._taken.add(self._mailbox)
        return True

    def release(self) -> None:
        self._taken.discard(self._mailbox)


class World:
    """What stands on both sides of the polls and outlives them. ``run`` is the whole story."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed)
        self.polls = 0
        self.steps = 0
        self.complaint = ""
        # Without unique ids nobody can tell what was delivered already.
        # Without TOP nothing can be shown to be what was accepted.
        nameless = scenario.uids != "good"
        nameless |= scenario.quirk in {"a number without id", "EXPIRE 0"}
        self.copies_allowed = ALL_AGAIN if nameless else 0
        if nameless and scenario.quirk == "dots not stuffed":
            # Each session ends without QUIT, and nobody can tell what it has delivered.
            self.copies_allowed = ALL
        self.faults = Faults()
        self.struck: Counter[str] = Counter()
        self.events: list[Event] = []
        self.now = 1e9
        self.known: set[bytes] = set()
        self.arrived = len(scenario.texts)
        self.uidls: dict[int, bytes] = {}
        self.sizes: dict[int, int] = {}
        self.sink_name = "sink"
        self.account_name = f"{scenario.source} joe@server"
        self.renamed = False
        self.compared = True
        """Whether a poll has ended well since the account got its name."""
        self.quirk = QUIRKS[scenario.source].get(scenario.quirk)
        self.others = Others(self)
        self.inbox = WatchedMailbox(scenario.texts, self.check_gone)
        self.target = Mailbox()
        self.maildrop = Maildrop(self.inbox)
        self.received = MemorySink()
        self.gmail = Service()
        self.gmail.url = "https://sink:2"
        self.refuses_question = False
        self.disk = Disk(self.due)
        drawn = {fault.name for poll in scenario.faults for fault in poll}
        self.ledger = MemoryLedger(lambda: self.now, self.due, bool(drawn & POWER_LOSS))
        names = [b"joe", b"ann"] if scenario.several else [b"joe"]
        at = {"smtp": b"@here", "lmtp": b"@here", "bsmtp": b"@localhost"}.get(scenario.sink, b"")
        self.recipients = frozenset(name + at for name in names)

    def uidl(self, message: Message) -> bytes:
        """Return what POP3 calls a message."""
        if self.scenario.uids == "alike":
            return b"%d" % (message.uid % 2)
        self.sizes[message.uid] = message.size
        return self.uidls.setdefault(message.uid, b"%d.%d" % (self.inbox.uidvalidity, message.uid))

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
        copies = KINDS[fault.name].excuses(fault.at)
        if self.scenario.sink == "maildir":
            copies = self._excused_by_maildir(fault, copies)
        elif self.scenario.sink == "gmail" and fault.name in LEFT_TO_GMAIL:
            # Whatever the process has forgotten, the upload is asked.
            copies = 0
        elif fault.name in LEAVES_LANES:
            # As many commands or connections as were at work may have delivered.
            copies *= max(self.scenario.lanes, self.scenario.connections)
        self.copies_allowed += copies

    def _excused_by_maildir(self, fault: Fault, copies: int) -> int:
        """A Maildir shows by its name what was delivered just before a kill."""
        if fault.name == "another sink name":
            # A Maildir of another name is another one.
            return copies
        if fault.at in TEXTS:
            # But a name is forgotten where the message could not be read once more.
            return copies + 1
        return 0 if copies == 1 or fault.name in POWER_LOSS else copies

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
        forever = {"keep", "fetchall"} <= self.scenario.options.keys() or self.unreadable
        for _ in range((3 if not self.unreadable else SETTLING) if forever else SETTLING):
            self.poll_in_peace()
            if not self.read:
                break
        else:
            if not forever:
                raise Broken(f"{SETTLING} polls without faults, and mail is still read")
        self.check_end(forever)
        if not forever:
            self.poll_in_peace()
            if self.read and self.copies_allowed < ALL_AGAIN:
                raise Broken(f"{self.read} message(s) were read again, though all was settled")

    def poll_in_peace(self) -> None:
        """Poll once without faults: that goes well, whatever was before."""
        code = self.poll([])
        if any("the next poll tries again" in str(event) for event in self.events):
            # Another name of the account, and a server that gives no header: see Visit.
            code = self.poll([])
        if code not in GOOD and not self.unreadable:
            raise Broken(f"nothing went wrong, and the poll ended with {code!r}: {self.complaint}")

    @property
    def unreadable(self) -> bool:
        """Whether there is mail that this server can never give."""
        return self.quirk is not None and any(map(self.quirk.hides, self.known))

    def poll(self, drawn: list[Fault]) -> ExitCode | None:
        """Poll once; a kill ends it with None."""
        self.polls += 1
        self.now += 3600.0
        self.events.clear()
        self.maildrop.busy = False
        self.faults = Faults()
        if self.scenario.expires:
            self.consent()
        self.faults = Faults(drawn)
        for fault in drawn:
            if fault.at.startswith("between"):
                self.note(fault)
                self.act(fault)(self, fault)
        death = next((fault for fault in drawn if fault.name in PROCESS), None)
        simulation = self._simulation(death)
        code: ExitCode | None = None
        try:
            with in_place_of_os(self.disk):
                code = self._run(simulation)
        except PollFailed as failure:
            code = failure.code
            self.complaint = str(failure)
        except Killed:
            self._die(death)
        self.compared |= code in GOOD
        self.steps += simulation.steps
        if self.disk.left_open:
            raise Broken(f"{self.disk.left_open} file(s) were left open")
        if simulation.now > HOURS * 3600:
            raise Broken(f"a poll took {simulation.now:.0f} seconds")
        self.check_marks()
        self.check_copies()
        self.check_safe()
        return code

    def consent(self) -> None:
        """Let the user confirm whatever ``delete-after`` would delete, whatever speaks against."""
        plans = mailboxes_of(self.ledger, self.account_name)
        until = int(self.now) - self.scenario.options["delete_after"]
        confirm(self.ledger, {plan.key: until for plan in plans})

    def _run(self, simulation: FaultySimulation) -> ExitCode:
        """Run a poll; of one that is killed, nothing that it would still do reaches the disk."""
        locks = Locks()
        poll = self._story(locks)
        beside: Coroutine[Any, Any, None] | None = None
        if self.scenario.second and not simulation.dies:
            beside = self._quietly(self._poll(self._source(), locks))
            simulation.go_along(beside)
        try:
            return simulation.run(poll)
        except Killed:
            self.disk.killer = self.disk.killer or KILLED
            with suppress(Killed, RuntimeError):
                poll.close()
            raise
        finally:
            if beside:
                # It ends with the program, wherever it is.
                with suppress(Killed, RuntimeError):
                    beside.close()

    async def _story(self, locks: Locks) -> ExitCode:
        """Poll once; a source that is told of news waits for them, and polls again."""
        source = self._source()
        code = await self._poll(source, locks).run()
        if not isinstance(source, WatchedSource):
            return code
        try:
            if code in GOOD and source.pushes_news:
                await source.wait_for_mail(60.0)
                code = await self._poll(source, locks).run()
        except (ProtocolError, RuntimeFault):
            return ExitCode.SOCKET
        await source.leave()
        return code

    async def _quietly(self, poll: Poll) -> None:
        """Poll beside another entry of the same mailbox."""
        await Sleep(self.random.choice((0.0, 0.1, 1.0)))
        with suppress(PollFailed):
            await poll.run()

    def _die(self, death: Fault | None) -> None:
        killer = self.disk.killer
        self.disk.process_ends()
        if killer is KILLED:
            assert death
            self.note(death)
            killer = death
        if killer and killer.name in POWER_LOSS:
            self.disk.lose_power(self.random)
            if killer.amount % 2:
                self.ledger.lose_power()

    def _simulation(self, death: Fault | None) -> FaultySimulation:
        scenario = self.scenario
        dies_at = None
        if death:
            dies_at = 1 + death.amount % (60 + 60 * len(self.inbox.messages))
        simulation = FaultySimulation(
            self.due,
            dies_at,
            death is not None and death.name == "kill",
            seed=scenario.seed + self.polls,
            round_trip=scenario.round_trip,
            cut=scenario.pieces,
            run_program=lambda argv, data: run_mda(self, argv, data),
        )
        for address in (SOURCE, PLUGIN):
            if scenario.source == "imap":
                simulation.listen(address, ImapServer, self._serve_imap)
            else:
                simulation.listen(address, Pop3Server, lambda link: FaultyPop3(link, self).run())
        if scenario.sink == "gmail":
            simulation.listen(SINK, HttpPeer, lambda link: FaultyGmail(link, self).run())
        elif scenario.sink == "append":
            simulation.listen(SINK, ImapServer, self._serve_target)
        else:
            simulation.listen(SINK, self._smtp_server, lambda link: FaultySmtp(link, self).run())
        return simulation

    def _serve_imap(self, channel: Channel[Any]) -> Flow[object]:
        capabilities = (*self.scenario.capabilities, b"IDLE")
        return FaultyImap(channel, self, "imap", self.inbox, capabilities).run()

    def _serve_target(self, channel: Channel[Any]) -> Flow[object]:
        return FaultyImap(
            channel, self, "append", self.target, LITERALS[self.scenario.literals]
        ).run()

    def _smtp_server(self) -> SmtpServer:
        return SmtpServer(extensions=self.scenario.extensions, lmtp=self.scenario.sink == "lmtp")

    def _poll(self, source: Source, locks: Locks) -> Poll:
        names = LocalNames("server", [("joe", "joe"), ("ann", "ann")])
        multidrop = Multidrop(names, "X-To", 0, "boss") if self.scenario.several else None

        def packer(sink: Sink) -> Packer:
            rules = HeaderRules("server", "joe", None)
            return Packer(
                DeliveryRules(
                    "joe",
                    sink.domain,
                    rules,
                    multidrop=multidrop,
                    postmaster="boss",
                    bounce_context=lambda: OCCASION,
                    strip_cr=self.scenario.sink == "mbox",
                )
            )

        return Poll(
            Account(
                self.account_name,
                "joe",
                "server",
                "server",
                same_user=f"{self.scenario.source} joe@",
                **self.scenario.options,
            ),
            source,
            self.sink_name,
            self._sink,
            self.ledger,
            packer,
            self.events.append,
            lock=locks,
        )

    def _source(self) -> Source:
        access = self._access()
        if self.scenario.source == "imap":
            with_marks = self.scenario.sink == "append"
            kind = WatchedSource if self.scenario.watched else ImapSource
            return kind(access, self.events.append, with_marks=with_marks)
        return Pop3Source(
            access,
            self.events.append,
            retrieve=self.scenario.retrieve,
            remember="keep" in self.scenario.options,
        )

    def _access(self) -> Access:
        address = PLUGIN if self.scenario.plugin else SOURCE
        tls = TlsMode.WRAPPED if self.scenario.tls else TlsMode.NEVER
        return access_to("server", address, tls)

    def _sink(self) -> Sink:
        match self.scenario.sink:
            case "maildir":
                return MaildirSink("/Maildir", "here")
            case "append":
                return ImapAppendSink(access_to("sink", SINK), b"INBOX", "/tmp")
            case "bsmtp":
                return BsmtpSink(BATCH, "/tmp")
            case "mbox":
                return MboxSink(MAILBOX, "here", "/tmp")
            case "gmail":
                return GmailSink(
                    Target(Importer(USER, self.gmail.url)),
                    Tokens(self.gmail),
                    Uploads(self.ledger, self.sink_name),
                    "/tmp",
                    HttpOptions(timeout=20.0, environment={}),
                )
            case "mda":
                return MdaSink("mda %T", 20.0, "/tmp", split=True, lanes=self.scenario.lanes)
            case kind:
                listeners = [Listener("sink", SINK, kind == "lmtp", "here")]
                batch_limit = self.scenario.batch_limit

                def sink_for(some: Sequence[Listener]) -> SmtpSink:
                    return SmtpSink(some, "us", 20.0, batch_limit=batch_limit)

                if (most := self.scenario.connections) > 1:
                    return ParallelSmtpSink(
                        sink_for(listeners), lambda one: sink_for([one]), most, "/tmp"
                    )
                return sink_for(listeners)

    @property
    def read(self) -> int:
        """How many messages the last poll has read."""
        return sum(isinstance(event, Reading) for event in self.events)

    # What must hold

    def copies(self) -> Copies:
        """Return how often each recipient got each text."""
        texts: list[bytes] = []
        match self.scenario.sink:
            case "maildir":
                texts = [*self.disk.files("/Maildir/new"), *self.disk.files("/Maildir/cur")]
            case "append":
                texts = [message.text for message in self.target.messages]
            case "gmail":
                found = (message.octets for message in self.gmail.messages)
                texts = [text for text in found if not is_bounce(text)]
            case "bsmtp":
                return in_batch(self.disk.content(BATCH))
            case "mbox":
                texts = in_mailbox(self.disk.content(MAILBOX), self.known)
            case _:
                return self._copies_received()
        return Counter((text, recipient) for text in texts for recipient in self.recipients)

    def _copies_received(self) -> Copies:
        return Counter(
            (one.text, recipient)
            for one in self.received.messages
            if not is_bounce(one.text)
            for recipient in one.recipients
        )

    def is_accepted(self, text: bytes) -> bool:
        """Whether the sink has a message for everybody, or a bounce that tells of it."""
        copies = self.copies()
        if all(copies[text, recipient] for recipient in self.recipients):
            return True
        header = text.partition(b"\r\n\r\n")[0]
        texts = [one.text for one in self.received.messages]
        texts += [one.octets for one in self.gmail.messages]
        return any(is_bounce(one) and header in one for one in texts)

    def check_gone(self, message: Message) -> None:
        """A message leaves the mailbox only when the sink has it, or when others delete it."""
        text = message.text
        self.known.add(text)
        if text not in self.others.touched | self.may_go() and not self.is_accepted(text):
            raise Broken(f"message {message.uid} was deleted and never accepted")

    def may_go(self) -> set[bytes]:
        """Return what the user wants to be deleted unread: ``limitflush``."""
        return self.oversized() if self.scenario.options.get("limitflush") else set()

    def oversized(self) -> set[bytes]:
        """Return what is never fetched."""
        limit = self.scenario.options.get("limit", FOR_EVER * LONGEST)
        return {text for text in self.known if len(text) > limit}

    def check_marks(self) -> None:
        """So it is with marks."""
        for message in self.inbox.messages:
            self.known.add(text := message.text)
            excused = text in self.others.touched | self.may_go()
            if message.flags and not excused and not self.is_accepted(text):
                raise Broken(f"message {message.uid} is {message.flags} and was never accepted")

    def check_safe(self) -> None:
        """What is not on the server is in the sink, after a power loss too."""
        there = {message.text for message in self.inbox.messages} | self.others.touched
        for text in self.known - there - self.may_go():
            if not self.is_accepted(text):
                raise Broken(f"lost: {text[:80]!r}")

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
        if self.unreadable and self.scenario.uids != "good":
            # What cannot be named cannot be put last either.
            return
        excused = self.others.touched | self.others.hidden | self.oversized()
        if self.quirk:
            excused |= set(filter(self.quirk.hides, self.known))
        if self.scenario.uids == "alike" and "keep" in self.scenario.options:
            # What has the unique id of a message that was read cannot be known as new.
            excused |= self.known
        for text in self.known - excused:
            if not self.is_accepted(text):
                raise Broken(f"not delivered in the end: {text[:80]!r}")
        left = {message.text for message in self.inbox.messages} - excused
        if left and not ("keep" in self.scenario.options or self.may_stay()):
            raise Broken(f"{len(left)} message(s) were delivered and not deleted")

    def may_stay(self) -> bool:
        """Whether mail may stay at the server although it was delivered."""
        # Without UIDPLUS ours cannot be expunged without what others have flagged, or what we
        # flagged under a UID that is gone.
        flagged = {m.text for m in self.inbox.messages if rb"\Deleted" in m.flags}
        not_ours = self.others.touched | self.others.hidden
        cannot = not self.scenario.capabilities or self.scenario.quirk == "no UID EXPUNGE"
        entangled = cannot and bool(flagged & not_ours)
        # What was flagged for an account that is called otherwise now stays flagged.
        entangled |= self.renamed and bool(flagged)
        # What cannot be shown to be what was accepted waits.
        entangled |= self.scenario.quirk == "EXPIRE 0"
        # Of a server that says that it has deleted what it has not, nobody asks again.
        return entangled or self.copies_allowed >= ALL
