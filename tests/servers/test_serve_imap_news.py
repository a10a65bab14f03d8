"""The IMAP server notifies a client of changes in mailboxes that are not selected (NOTIFY)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailhaul import imap
from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Close, Open, Tcp, TimedOut
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ALL_CAPABILITIES, Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

HERE = Tcp("mail.example.org", 143)
BOTH = (b"MessageNew", b"MessageExpunge")
OTHERS = imap.Notify(
    (imap.EventGroup(b"SELECTED-DELAYED", BOTH), imap.EventGroup(b"PERSONAL", BOTH))
)
LONG = 5.0
Session = Channel[imap.Client]
Story = Callable[[Session, Mailboxes], Awaitable[Any]]


def talk(story: Story, **options: Any) -> Any:
    """Run a story with one session that has INBOX selected, and with the server's mailboxes."""
    boxes = Mailboxes({name: Mailbox([b"one"]) for name in (b"INBOX", b"a", b"a/b", b"c")})

    async def whole() -> Any:
        channel: Session = Channel("server", imap.Client())
        await Open(channel, HERE, 60)
        await until(channel, imap.Greeted)
        await ask(channel, imap.Select(b"INBOX"))
        result = await story(channel, boxes)
        await Close(channel)
        return result

    world = Simulation()
    options.setdefault("capabilities", ALL_CAPABILITIES)
    world.listen(HERE, imap.Server, lambda channel: serve_imap(channel, boxes, **options))
    return world.run(whole())


async def ask(channel: Session, command: imap.Command) -> list[Any]:
    """Send a command; return all events up to and including its completion."""
    channel.machine.send(command)
    return await until(channel, imap.Completed)


async def until(channel: Session, kind: type) -> list[Any]:
    events: list[Any] = []
    while not events or not isinstance(events[-1], kind):
        events.append(await next_event(channel, 60))
    return events


async def unasked(channel: Session) -> list[Any]:
    """Return the events that arrive without a command."""
    events: list[Any] = []
    try:
        while True:
            events.append(await next_event(channel, LONG))
    except TimedOut:
        return events


def reported(events: list[Any]) -> dict[bytes, tuple[int | bytes, ...]]:
    """Return MESSAGES, UIDNEXT and UIDVALIDITY of each reported mailbox."""
    statuses = [event for event in events if isinstance(event, imap.MailboxStatus)]
    return {status.mailbox: tuple(value for _, value in status.items) for status in statuses}


def test_changes_of_other_mailboxes_are_reported_without_a_command() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        quiet = await unasked(channel)
        boxes[b"c"].append(b"two")
        boxes[b"INBOX"].append(b"two")
        return quiet, await unasked(channel)

    quiet, events = talk(story)
    assert quiet == []
    assert reported(events) == {b"c": (2, 3, 1)}
    assert imap.Exists(2) in events


def test_changes_are_also_reported_while_idle_and_after_a_response() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        channel.machine.send(imap.Idle())
        await until(channel, imap.Idling)
        boxes[b"a"].append(b"two")
        idle = await unasked(channel)
        channel.machine.send(imap.Done())
        boxes[b"a"].remove({1})
        return reported(idle), reported(await until(channel, imap.Completed))

    assert talk(story) == ({b"a": (2, 3, 1)}, {b"a": (1, 3, 1)})


def test_status_reports_all_other_mailboxes_at_once() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        return await ask(channel, imap.Notify(OTHERS.groups, status=True))

    assert [*reported(talk(story))] == [b"a", b"a/b", b"c"]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        (imap.EventGroup(b"PERSONAL", BOTH), {b"INBOX", b"a", b"a/b", b"c"}),
        (imap.EventGroup(b"INBOXES", BOTH), {b"INBOX"}),
        (imap.EventGroup(b"SUBSCRIBED", BOTH), {b"c"}),
        (imap.EventGroup(b"SUBTREE", BOTH, (b"a",)), {b"a", b"a/b"}),
        (imap.EventGroup(b"MAILBOXES", BOTH, (b"a", b"inbox")), {b"a", b"INBOX"}),
        (imap.EventGroup(b"PERSONAL"), set[bytes]()),
    ],
)
def test_the_mailboxes_of_a_group(group: imap.EventGroup, names: set[bytes]) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        boxes.subscribed.add(b"c")
        await ask(channel, imap.Unselect())
        return await ask(channel, imap.Notify((group,), status=True))

    assert reported(talk(story)).keys() == names


def test_the_first_matching_group_decides() -> None:
    mute = imap.EventGroup(b"MAILBOXES", (), (b"c",))

    async def story(channel: Session, boxes: Mailboxes) -> Any:
        return await ask(
            channel, imap.Notify((mute, imap.EventGroup(b"PERSONAL", BOTH)), status=True)
        )

    assert reported(talk(story)).keys() == {b"a", b"a/b"}


def test_mail_that_arrives_in_a_just_closed_mailbox_is_reported() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        boxes[b"INBOX"].append(b"two")
        return await ask(channel, imap.Select(b"c"))

    assert reported(talk(story)) == {b"INBOX": (2, 3, 1)}


def test_a_new_mailbox_and_a_changed_uidvalidity_are_reported() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        made = await ask(channel, imap.CreateMailbox(b"d"))
        boxes[b"c"] = Mailbox([b"other"], uidvalidity=9)
        return reported(made), reported(await unasked(channel))

    assert talk(story) == ({b"d": (0, 1, 2)}, {b"c": (1, 2, 9)})


@pytest.mark.parametrize(("which", "gone"), [(b"SELECTED", True), (b"SELECTED-DELAYED", False)])
def test_removals_from_the_selected_mailbox_wait_for_a_command_unless_requested(
    which: bytes, gone: bool
) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, imap.Notify((imap.EventGroup(which, BOTH),)))
        boxes[b"INBOX"].remove({1})
        return await unasked(channel), await ask(channel, imap.Noop())

    at_once, later = talk(story)
    assert (imap.Expunged(1) in at_once) is gone
    assert (imap.Expunged(1) in later) is not gone


def test_notify_none_stops_the_notifications() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        await ask(channel, imap.Notify())
        boxes[b"c"].append(b"two")
        return await unasked(channel), await ask(channel, imap.Fetch(b"1", b"UID"))

    quiet, fetched = talk(story)
    assert (quiet, reported(fetched)) == ([], {})


@pytest.mark.parametrize(
    ("group", "code"),
    [
        (
            imap.EventGroup(b"PERSONAL", (b"MailboxName",)),
            imap.Code(b"BADEVENT", b"(MessageNew MessageExpunge)"),
        ),
        (imap.EventGroup(b"SELECTED", BOTH, (), (b"UID",)), None),
    ],
)
def test_unsupported_events_are_refused_and_the_previous_ones_stay(
    group: imap.EventGroup, code: imap.Code | None
) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        refused = (await ask(channel, imap.Notify((group,))))[-1]
        boxes[b"c"].append(b"two")
        return refused, reported(await unasked(channel))

    refused, news = talk(story)
    assert (refused.condition, refused.code) == (imap.Condition.NO, code)
    assert news.keys() == {b"c"}


def test_it_can_report_an_overflow_once() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        [first, _] = await ask(channel, OTHERS)
        boxes[b"c"].append(b"two")
        quiet = await unasked(channel)
        return (
            first,
            quiet,
            reported(await ask(channel, imap.Notify(OTHERS.groups, status=True)))[b"c"],
        )

    first, quiet, now = talk(story, misbehaviour=Misbehaviour(overflow=True))
    assert first.code == imap.Code(b"NOTIFICATIONOVERFLOW")
    assert (quiet, now) == ([], (2, 3, 1))


def test_it_can_send_no_notifications() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        boxes[b"c"].append(b"two")
        quiet = reported(await unasked(channel))
        return quiet, reported(await ask(channel, imap.Notify(OTHERS.groups, status=True)))[b"c"]

    assert talk(story, misbehaviour=Misbehaviour(blind=True)) == ({}, (2, 3, 1))
