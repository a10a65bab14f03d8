"""The SMTP server as a flow: stored messages, and the effect of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from mailhaul import smtp
from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Close, Now, Open, Tcp, TimedOut
from mailhaul.protocols.errors import ConnectionLost
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.secret import Secret
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.logins import Logins
from mailhaul.servers.smtp import INACTIVITY_TIMEOUT, HangUp, MemorySink, Policy, Stall, serve_smtp

HERE = Tcp("mail.example.org", 25)
TEXT = b"Subject: hi\r\n\r\n.\r\nhello\r\n"
MESSAGE: tuple[smtp.Command, ...] = (
    *(smtp.Mail(b"ann@example.net"), smtp.Rcpt(b"bob@x"), smtp.Rcpt(b"eve@x"), smtp.Data()),
    *(smtp.BodyChunk(TEXT), smtp.EndOfData()),
)


def talk(
    sink: MemorySink, *commands: smtp.Command, lmtp: bool = False
) -> tuple[list[smtp.Event], float]:
    """Send commands one by one; return the events after EHLO's and the elapsed seconds."""
    events: list[smtp.Event] = []

    async def story() -> float:
        channel = Channel("server", smtp.Client(lmtp))
        await Open(channel, HERE, 60)
        for command in (smtp.Ehlo(b"client"), *commands):
            if not isinstance(command, smtp.Ehlo) or isinstance(
                await next_event(channel, 60), smtp.Greeted
            ):
                channel.machine.send(command)
            while channel.machine.outstanding:
                events.append(await next_event(channel, 600))
        await Close(channel)
        return await Now()

    world = Simulation(cut=True)
    world.listen(HERE, lambda: smtp.Server(lmtp), lambda channel: serve_smtp(channel, sink))
    seconds = world.run(story())
    return events[1:], seconds


def introduced(**offered: Any) -> Any:
    """Return a function that runs a client coroutine with a service with these options."""

    def run(story: Any, sink: MemorySink, extensions: dict[bytes, bytes]) -> Any:
        async def whole() -> Any:
            channel = Channel("server", smtp.Client())
            await Open(channel, HERE, 60)
            await next_event(channel, 60)
            channel.machine.send(smtp.Ehlo(b"client"))
            await next_event(channel, 60)
            found = await story(channel)
            await Close(channel)
            return found

        world = Simulation()
        world.listen(
            HERE,
            lambda: smtp.Server(False, extensions),
            lambda channel: serve_smtp(channel, sink, **offered),
        )
        return world.run(whole())

    return run


def codes(events: Sequence[smtp.Event]) -> list[int]:
    return [event.reply.code for event in events if isinstance(event, smtp.Answered)]


def on(kind: type[smtp.Command], decision: Any) -> Policy:
    def policy(heard: smtp.Heard) -> Any:
        return decision if isinstance(heard, kind) else None

    return policy


def test_an_accepted_message_is_stored_unchanged() -> None:
    sink = MemorySink()
    events, _ = talk(sink, *MESSAGE, smtp.Mail(b""), smtp.Rset(), smtp.Quit())
    assert codes(events) == [250, 250, 250, 354, 250, 250, 250, 221]
    [received] = sink.messages
    assert (received.sender, received.recipients) == (b"ann@example.net", (b"bob@x", b"eve@x"))
    assert (received.text, received.size) == (TEXT, len(TEXT))
    assert received.sha256 == sha256(TEXT).hexdigest()


def test_a_text_can_be_counted_and_hashed_without_being_kept() -> None:
    sink = MemorySink(keep_text=False)
    talk(sink, *MESSAGE, *MESSAGE)
    assert [(one.size, one.text) for one in sink.messages] == [(len(TEXT), b"")] * 2
    assert {one.sha256 for one in sink.messages} == {sha256(TEXT).hexdigest()}


@pytest.mark.parametrize("kind", [smtp.Mail, smtp.Data, smtp.EndOfData])
def test_a_policy_refuses_at_any_step_and_nothing_is_stored(kind: type[smtp.Command]) -> None:
    sink = MemorySink(policy=on(kind, smtp.Reply(451, (b"4.3.0 later",))))
    position = [type(command) for command in MESSAGE].index(kind)
    events, _ = talk(sink, *MESSAGE[: position + 1])
    assert codes(events)[-1] == 451
    assert sink.messages == []


def test_a_refused_recipient_is_not_in_the_envelope() -> None:
    def policy(heard: smtp.Heard) -> smtp.Reply | None:
        return smtp.Reply(550, (b"5.1.1 who?",)) if heard == smtp.Rcpt(b"bob@x") else None

    sink = MemorySink(policy=policy)
    events, _ = talk(sink, *MESSAGE)
    assert codes(events) == [250, 550, 250, 354, 250]
    assert sink.messages[0].recipients == (b"eve@x",)


def test_lmtp_gives_a_verdict_for_each_recipient() -> None:
    def verdict(recipient: bytes) -> smtp.Reply:
        return smtp.Reply(452 if recipient == b"bob@x" else 250)

    sink = MemorySink(verdict=verdict)
    events, _ = talk(sink, *MESSAGE, lmtp=True)
    assert codes(events) == [250, 250, 250, 354, 452, 250]
    assert [one.recipients for one in sink.messages] == [(b"eve@x",)]


@pytest.mark.parametrize("kind", [smtp.Mail, smtp.Data, smtp.EndOfData])
def test_a_policy_can_hang_up_at_any_step(kind: type[smtp.Command]) -> None:
    sink = MemorySink(policy=on(kind, HangUp()))
    with pytest.raises(ConnectionLost):
        talk(sink, *MESSAGE)
    assert sink.messages == []


def test_a_policy_can_stall_until_the_client_gives_up() -> None:
    with pytest.raises(TimedOut):
        talk(MemorySink(policy=on(smtp.EndOfData, Stall(10_000))), *MESSAGE)


def test_a_policy_can_stall_and_then_hang_up() -> None:
    with pytest.raises(ConnectionLost, match="final dot"):
        talk(MemorySink(policy=on(smtp.EndOfData, Stall(100))), *MESSAGE)


def ends(
    sink: MemorySink, first: Sequence[smtp.Command], limits: Limits, *then: Sequence[smtp.Command]
) -> list[smtp.Event]:
    """Send groups of commands; return all events until the server closes the connection."""

    async def story() -> list[smtp.Event]:
        channel = Channel("server", smtp.Client())
        await Open(channel, HERE, 60)
        events: list[smtp.Event] = [await next_event(channel, 60)]
        for group in (first, *then):
            for command in group:
                channel.machine.send(command)
            while then and channel.machine.outstanding:
                events.append(await next_event(channel, 60))
        while not isinstance(events[-1], smtp.Closed):
            events.append(await next_event(channel, 2 * INACTIVITY_TIMEOUT))
        await Close(channel)
        return events

    world = Simulation()
    world.listen(
        HERE, lambda: smtp.Server(limits=limits), lambda channel: serve_smtp(channel, sink)
    )
    return world.run(story())


def test_an_inactive_client_gets_421() -> None:
    _, goodbye, _ = ends(MemorySink(), [], Limits())
    assert isinstance(goodbye, smtp.SaidGoodbye)


def test_a_client_that_sends_too_long_lines_gets_421() -> None:
    _, goodbye, _ = ends(MemorySink(), [smtp.Ehlo(b"a" * 200)], Limits(command_line=100))
    assert isinstance(goodbye, smtp.Answered)
    assert goodbye.reply.code == 421


def test_a_421_inside_a_text_arrives_before_its_end() -> None:
    sink = MemorySink(policy=on(smtp.BodyChunk, smtp.Reply(421, (b"4.3.2 down",))))
    events = ends(sink, [smtp.Ehlo(b"client")], Limits(), [*MESSAGE[:4]], [MESSAGE[4]])
    assert events[-2:] == [
        smtp.Answered(smtp.EndOfData(), smtp.Reply(421, (b"4.3.2 down",), b"4.3.2")),
        smtp.Closed(),
    ]
    assert sink.messages == []


LOGINS = Logins({b"joe": b"sesame"})


@pytest.mark.parametrize(
    ("mechanism", "response", "code"),
    [
        (b"PLAIN", b"\0joe\0sesame", 235),
        (b"PLAIN", b"\0joe\0wrong", 535),
        (b"PLAIN", b"no PLAIN message", 501),
        (b"NTLM", b"?", 504),
    ],
)
def test_the_reply_to_each_authentication(mechanism: bytes, response: bytes, code: int) -> None:
    async def story(channel: Any) -> Any:
        assert channel.machine.extensions[b"AUTH"] == b"PLAIN LOGIN"
        channel.machine.send(smtp.Authenticate(mechanism, Secret(response)))
        return await next_event(channel, 60)

    answer = introduced(logins=LOGINS)(story, MemorySink(), {})
    assert answer.reply.code == code


def test_a_cancelled_authentication_gets_501() -> None:
    async def story(channel: Any) -> Any:
        channel.machine.send(smtp.Authenticate(b"LOGIN"))
        await next_event(channel, 60)
        channel.machine.send(smtp.CancelAuthentication())
        return await next_event(channel, 60)

    answer = introduced(logins=LOGINS)(story, MemorySink(), {})
    assert answer.reply == smtp.Reply(
        501, (b"5.5.2 authentication cancelled or malformed",), b"5.5.2"
    )


def test_a_421_reply_states_the_reason() -> None:
    _, goodbye, _ = ends(MemorySink(), [smtp.Ehlo(b"a" * 200)], Limits(command_line=100))
    assert isinstance(goodbye, smtp.Answered)
    assert goodbye.reply.lines == (b"4.7.0 command line is too long, closing",)


def test_the_announced_size_limit_is_enforced() -> None:
    async def story(channel: Any) -> Any:
        codes: list[int] = []
        channel.machine.send(smtp.Mail(b"ann@x", size=11))
        codes.append((await next_event(channel, 60)).reply.code)
        for command in (smtp.Mail(b"ann@x"), smtp.Rcpt(b"bob@x"), smtp.Data()):
            channel.machine.send(command)
            codes.append((await next_event(channel, 60)).reply.code)
        channel.machine.send(smtp.BodyChunk(b"0123456789\r\n"))
        channel.machine.send(smtp.EndOfData())
        codes.append((await next_event(channel, 60)).reply.code)
        return codes

    sink = MemorySink()
    assert introduced()(story, sink, {b"SIZE": b"10"}) == [552, 250, 250, 354, 552]
    assert sink.messages == []


def test_chunks_are_stored_unchanged() -> None:
    async def story(channel: Any) -> Any:
        for command in (
            *(
                smtp.Mail(b"ann@x"),
                smtp.Rcpt(b"bob@x"),
                smtp.Bdat(2),
                smtp.BodyChunk(b"a\n"),
                smtp.Bdat(1, last=True),
            ),
            *(smtp.BodyChunk(b"."), smtp.Rset()),
        ):
            channel.machine.send(command)
        codes = [(await next_event(channel, 60)).reply.code for _ in range(5)]
        channel.machine.send(smtp.Vrfy(b"bob"))
        return [*codes, (await next_event(channel, 60)).reply.code]

    sink = MemorySink()
    extensions = {b"CHUNKING": b"", b"PIPELINING": b""}
    assert introduced()(story, sink, extensions) == [250, 250, 250, 250, 250, 252]
    [received] = sink.messages
    assert (received.text, received.recipients) == (b"a\n.", (b"bob@x",))
