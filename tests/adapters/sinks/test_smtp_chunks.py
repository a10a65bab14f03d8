"""With BINARYMIME a message is sent unchanged, in chunks of announced size (RFC 3030)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from mailhaul.adapters.sinks.smtp import SmtpSink
from mailhaul.adapters.sinks.smtp_connection import Listener
from mailhaul.adapters.sinks.smtp_delivery import CHUNK_SIZE
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.requests import Tcp
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof
from mailhaul.protocols.smtp.commands import Bdat, BodyChunk, Data, Heard, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.smtp import HangUp, MemorySink, Policy, serve_smtp

PLACE = Tcp("sink", 25)
BINARY = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"BINARYMIME": b""}
ONE_BY_ONE = {name: value for name, value in BINARY.items() if name != b"PIPELINING"}
HEADER = b"Subject: s\r\n\r\n"
NASTY = b".\r\n..\n\r\n.\r\nQUIT\r\n\0\r\r\n\n" + b"x" * 4000 + b"\r\n.\r\nno end"
NO = Reply(550, (b"5.1.1 nobody",))
LATER = Reply(451, (b"4.3.0 later",))


class World:
    """A listener with these extensions, and a sink that delivers messages to it."""

    def __init__(
        self,
        extensions: Mapping[bytes, bytes] = BINARY,
        policy: Policy | None = None,
        *,
        lmtp: bool = False,
        recipients: Sequence[bytes] = (b"joe@x",),
    ) -> None:
        self.heard: list[type] = []
        self.recipients = tuple(recipients)
        self.memory = MemorySink(policy=self.look)
        self.policy = policy
        self.simulation = Simulation()
        self.simulation.listen(
            PLACE,
            lambda: SmtpServer(lmtp=lmtp, extensions=extensions),
            lambda channel: serve_smtp(channel, self.memory),
        )
        self.sink = SmtpSink([Listener("sink", PLACE, lmtp, "x")], "client", 20.0)

    def look(self, heard: Heard) -> Reply | None:
        self.heard.append(type(heard))
        answer = self.policy(heard) if self.policy else None
        return answer if isinstance(answer, Reply) else None

    def hand_over(
        self, *texts: bytes, header: bytes = HEADER, piece: int = 1000, whole: bool = True
    ) -> list[Outcome]:
        """Deliver a header with each of these texts; return the verdicts."""
        outcomes: list[Outcome] = []

        async def story() -> None:
            for text in texts:
                size = len(header + text)
                delivery = await self.sink.offer(Parcel(b"a@x", self.recipients, header, size))
                if await delivery.ready():
                    for start in range(0, size, piece):
                        await delivery.feed((header + text)[start : start + piece])
                    if not whole:
                        await delivery.abandon()
                        return
                    await delivery.complete(CompletionProof(1, size))
                outcomes.append(await delivery.outcome())
            await self.sink.close()

        self.simulation.run(story())
        return outcomes

    @property
    def texts(self) -> list[bytes]:
        return [message.text for message in self.memory.messages]


@pytest.mark.parametrize("extensions", [BINARY, ONE_BY_ONE])
@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 5000])
def test_no_octet_is_changed(extensions: Mapping[bytes, bytes], lmtp: bool, piece: int) -> None:
    world = World(extensions, lmtp=lmtp)
    outcomes = world.hand_over(NASTY, b"", b"second\n", piece=piece)
    assert world.texts == [HEADER + NASTY, HEADER, HEADER + b"second\n"]
    assert all(outcome.accepted for outcome in outcomes)
    assert Data not in world.heard


@pytest.mark.parametrize("extensions", [BINARY, ONE_BY_ONE])
def test_a_long_text_goes_in_many_chunks(extensions: Mapping[bytes, bytes]) -> None:
    text = bytes(range(256)) * (CHUNK_SIZE // 64)
    world = World(extensions)
    world.hand_over(text, piece=100_000)
    assert world.texts == [HEADER + text]
    assert world.heard.count(Bdat) == (len(HEADER + text) // CHUNK_SIZE) + 1


@pytest.mark.parametrize("missing", [b"CHUNKING", b"BINARYMIME"])
def test_without_either_extension_the_text_is_sent_with_data(missing: bytes) -> None:
    world = World({name: value for name, value in BINARY.items() if name != missing})
    world.hand_over(b"a\nb\r\n")
    assert world.texts == [HEADER + b"a\r\nb\r\n"]
    assert Bdat not in world.heard


def test_a_header_without_crlf_lines_is_sent_with_data() -> None:
    world = World()
    world.hand_over(b"a\nb\n", header=b"Subject: s\nTo: x\n\n")
    assert world.texts == [b"Subject: s\r\nTo: x\r\n\r\na\r\nb\r\n"]


@pytest.mark.parametrize("extensions", [BINARY, ONE_BY_ONE])
@pytest.mark.parametrize(("reply", "verdict"), [(NO, Verdict.REFUSED), (LATER, Verdict.POSTPONED)])
@pytest.mark.parametrize("step", [Mail, Rcpt, Bdat])
def test_after_a_refusal_the_next_message_is_sent(
    extensions: Mapping[bytes, bytes], reply: Reply, verdict: Verdict, step: type
) -> None:
    left = [reply]
    world = World(
        extensions, lambda heard: left.pop() if left and isinstance(heard, step) else None
    )
    first, second = world.hand_over(b"one\r\n", b"two\r\n")
    assert first.verdict is verdict
    assert [refusal.code for refusal in first.refusals] == [reply.code]
    assert second.accepted
    assert world.texts == [HEADER + b"two\r\n"]


@pytest.mark.parametrize("extensions", [BINARY, ONE_BY_ONE])
@pytest.mark.parametrize("step", [Mail, Rcpt])
def test_lmtp_gets_no_chunk_for_nobody(extensions: Mapping[bytes, bytes], step: type) -> None:
    # BDAT LAST for nobody has no reply (RFC 2033, 4.3), or one from servers such as Dovecot.
    left = [NO] * (2 if step is Rcpt else 1)
    world = World(
        extensions,
        lambda heard: left.pop() if left and isinstance(heard, step) else None,
        lmtp=True,
        recipients=(b"joe@x", b"tom@x"),
    )
    first, second = world.hand_over(b"one\r\n", b"two\r\n")
    assert first.verdict is Verdict.REFUSED
    assert second.accepted
    assert world.texts == [HEADER + b"two\r\n"]
    assert world.heard.count(Bdat) == 1
    assert world.simulation.now < 1.0


@pytest.mark.parametrize("reply", [NO, LATER])
def test_a_chunk_that_is_refused_ends_the_message_and_not_the_next_one(reply: Reply) -> None:
    left = [reply]
    world = World(
        policy=lambda heard: left.pop() if left and isinstance(heard, Bdat) else None,
    )
    first, second = world.hand_over(b"x" * 3 * CHUNK_SIZE, b"two\r\n", piece=CHUNK_SIZE)
    assert not first.accepted
    assert second.accepted
    assert world.texts == [HEADER + b"two\r\n"]


def test_one_of_two_recipients_is_accepted() -> None:
    def policy(heard: Heard) -> Reply | None:
        return NO if isinstance(heard, Rcpt) and heard.recipient == b"tom@x" else None

    world = World(policy=policy, recipients=(b"joe@x", b"tom@x"))
    (outcome,) = world.hand_over(NASTY)
    assert outcome.served
    assert dict(outcome.recipients) == {"joe@x": Verdict.ACCEPTED, "tom@x": Verdict.REFUSED}
    assert world.memory.messages[0].recipients == (b"joe@x",)


@pytest.mark.parametrize("size", [10, 3 * CHUNK_SIZE])
def test_an_abandoned_message_is_never_accepted(size: int) -> None:
    world = World()
    world.hand_over(b"x" * size, whole=False)
    assert world.texts == []


def test_a_connection_lost_inside_a_chunk_postpones_the_message() -> None:
    def policy(heard: Heard) -> Reply | HangUp | None:
        return HangUp() if isinstance(heard, BodyChunk) else None

    world = World(policy=policy)
    world.memory.policy = policy
    (outcome,) = world.hand_over(NASTY)
    assert outcome.verdict is Verdict.POSTPONED
    assert world.texts == []
