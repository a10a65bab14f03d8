"""One poll over an IMAP server by a script, in virtual time."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.adapters.login.access import Access, TlsMode
from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sources.imap import ImapSource
from mailhaul.flows.account import Account
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, PollFailed
from mailhaul.flows.parcel import DeliveryRules, Packer
from mailhaul.flows.poll import Poll
from mailhaul.flows.report import Event, Remark
from mailhaul.flows.requests import Tcp, Trust, Wait
from mailhaul.protocols.message.outgoing import HeaderRules
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .raw import Raw

SOURCE, SINK = Tcp("server", 143), Tcp("sink", 25)
HEADER = b"From: a@example.org\r\nSubject: one\r\n\r\n"
BODY = b"Some line of text.\r\n" * 20
MESSAGE = HEADER + BODY
Answer = bytes | Callable[["Script", bytes], bytes]


class Script:
    """An IMAP server with correct replies, except to some commands.

    ``answers`` are found by the command's verb, ``UID FETCH`` and the like, or by verb and the
    start of its arguments; TAG in them stands for the tag. A list is worked through, its last
    answer for ever.
    """

    def __init__(
        self, messages: dict[int, bytes] | None = None, capabilities: bytes = b"UIDPLUS"
    ) -> None:
        self.messages = {1: MESSAGE} if messages is None else messages
        self.flags: dict[int, set[bytes]] = {}
        self.capabilities = capabilities
        self.greeting = b"* OK [CAPABILITY IMAP4rev1 %b] ready\r\n" % capabilities
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.heard: list[bytes] = []
        self.saved = b""

    async def serve(self, channel: Channel[Raw]) -> None:
        raw = channel.machine
        raw.outbox.put(self.greeting)
        while not raw.ended:
            if b"\r\n" not in raw.heard:
                await Wait([channel], 1e6)
                continue
            line, _, rest = bytes(raw.heard).partition(b"\r\n")
            raw.heard[:] = rest
            raw.outbox.put(self.answer(line))

    def answer(self, line: bytes) -> bytes:
        self.heard.append(line)
        tag, _, rest = line.partition(b" ")
        words = rest.split(b" ")
        count = 2 if words[0] == b"UID" else 1
        verb = b" ".join(words[:count]).decode()
        arguments = b" ".join(words[count:])
        for known, answer in self.answers.items():
            if rest.decode("latin-1").startswith(known):
                turn = answer
                if isinstance(turn, list):
                    turn = turn.pop(0) if len(turn) > 1 else turn[0]
                said = turn if isinstance(turn, bytes) else turn(self, arguments)
                return said.replace(b"TAG", tag)
        return self.usual(verb, arguments) + tag + b" OK done\r\n"

    def usual(self, verb: str, arguments: bytes) -> bytes:
        match verb:
            case "CAPABILITY":
                return b"* CAPABILITY IMAP4rev1 %b\r\n" % self.capabilities
            case "SELECT" | "EXAMINE":
                return b"* %d EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n" % len(self.messages)
            case "UID SEARCH":
                return self.found(arguments)
            case "UID FETCH":
                return b"".join(self.fetched(uid, arguments) for uid in self.named(arguments))
            case "UID STORE":
                for uid in self.named(arguments):
                    self.flags.setdefault(uid, set()).update(re.findall(rb"\\\w+", arguments))
            case "UID EXPUNGE" | "EXPUNGE":
                for uid in self.named(arguments or b"1:*"):
                    if b"\\Deleted" in self.flags.get(uid, ()):
                        del self.messages[uid]
            case "LOGOUT":
                return b"* BYE bye\r\n"
            case _:
                pass
        return b""

    def named(self, arguments: bytes) -> list[int]:
        uids: set[int] = set()
        if arguments.startswith(b"$") and not self.saved:
            return []
        for part in (
            arguments.replace(b"$", self.saved, 1)
            .split(b" ")[0]
            .replace(b"*", b"9999999")
            .split(b",")
        ):
            first, _, last = part.partition(b":")
            uids.update(u for u in self.messages if int(first) <= u <= int(last or first))
        return sorted(uids)

    def found(self, arguments: bytes) -> bytes:
        words = arguments.split(b" ")
        wanted = {
            b"UNSEEN": lambda flags: b"\\Seen" not in flags,
            b"SEEN": lambda flags: b"\\Seen" in flags,
            b"DELETED": lambda flags: b"\\Deleted" in flags,
            b"UNDELETED": lambda flags: b"\\Deleted" not in flags,
        }
        uids = [
            uid
            for uid in sorted(self.messages)
            if all(wanted[w](self.flags.get(uid, set())) for w in words if w in wanted)
        ]
        if arguments.startswith(b"RETURN (SAVE ALL)"):
            self.saved = b",".join(b"%d" % uid for uid in uids)
            every = b" ALL " + self.saved if uids else b""
            return b'* ESEARCH (TAG "TAG") UID' + every + b"\r\n"
        return b"* SEARCH" + b"".join(b" %d" % uid for uid in uids) + b"\r\n"

    def fetched(self, uid: int, items: bytes, size: int | None = None) -> bytes:
        text = self.messages[uid]
        number = sorted(self.messages).index(uid) + 1
        header, _, body = text.partition(b"\r\n\r\n")
        sections = {b"": text, b"HEADER": header + b"\r\n\r\n", b"TEXT": body}
        said = b"UID %d" % uid
        if b"FLAGS" in items:
            said += b" FLAGS (%b)" % b" ".join(sorted(self.flags.get(uid, set())))
        if b"RFC822.SIZE" in items:
            said += b" RFC822.SIZE %d" % (len(text) if size is None else size)
        for section in re.findall(rb"BODY\.PEEK\[(\w*)\]", items):
            part = sections[section]
            said += b" BODY[%b] {%d}\r\n%b" % (section, len(part), part)
        return b"* %d FETCH (%b)\r\n" % (number, said)


class World:
    """A scripted source, a good listener, and polls between them over one ledger."""

    def __init__(self, folder: Path, script: Script | None = None) -> None:
        self.folder = folder
        self.script = script or Script()
        self.events: list[Event] = []
        self.received = MemorySink()

    def poll(self, user: str = "joe", **options: Any) -> ExitCode:
        simulation = Simulation()
        simulation.listen(SINK, SmtpServer, lambda c: serve_smtp(c, self.received))
        simulation.listen(SOURCE, Raw, self.script.serve)
        access = Access(
            "server", SOURCE, user, Secret(b"sesame"), TlsMode.NEVER, Trust("server"), timeout=20.0
        )
        rules = HeaderRules("server", "joe", None)
        poll = Poll(
            Account("joe@server", "joe", "server", "server", **options),
            ImapSource(access, self.events.append, keeps=options.get("keep", False)),
            "sink",
            lambda: SmtpSink([Listener("sink", SINK, False, "localhost")], "client", 20.0),
            SqliteLedger(str(self.folder / "ledger.db")),
            lambda sink: Packer(DeliveryRules("joe", sink.domain, rules)),
            self.events.append,
        )
        return simulation.run(poll.run())

    def fails(self, **options: Any) -> PollFailed:
        try:
            code = self.poll(**options)
        except PollFailed as failed:
            return failed
        raise AssertionError(f"the poll ended with {code!r}")

    @property
    def delivered(self) -> list[bytes]:
        """The texts that arrived, without the header fields added by the delivery."""
        return [message.text[message.text.index(b"From:") :] for message in self.received.messages]

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Remark)]

    def heard(self, verb: bytes) -> list[bytes]:
        """The commands of this kind, without their tags."""
        found = [line.partition(b" ")[2] for line in self.script.heard]
        return [line for line in found if line.startswith(verb)]
