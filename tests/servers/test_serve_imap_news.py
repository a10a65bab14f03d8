"""The IMAP server tells of mailboxes that are not open, where a client asked for that (NOTIFY)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailhaul.flows.channel import Channel, next_event
from mailhaul.flows.requests import Close, Open, Tcp, TimedOut
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Command,
    CreateMailbox,
    Done,
    EventGroup,
    Fetch,
    Idle,
    Noop,
    Notify,
    Select,
    Unselect,
)
from mailhaul.protocols.imap.events import (
    Code,
    Completed,
    Condition,
    Exists,
    Expunged,
    Greeted,
    Idling,
    MailboxStatus,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.runtimes.simulated import Simulation
from mailhaul.servers.imap import ALL_CAPABILITIES, Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

HERE = Tcp("mail.example.org", 143)
BOTH = (b"MessageNew", b"MessageExpunge")
OTHERS = Notify((EventGroup(b"SELECTED-DELAYED", BOTH), EventGroup(b"PERSONAL", BOTH)))
LONG = 5.0
Session = Channel[ImapClient]
Story = Callable[[Session, Mailboxes], Awaitable[Any]]


def talk(story: Story, **options: Any) -> Any:
    """Tell a story of one session with INBOX open, and of the mailboxes behind it."""
    boxes = Mailboxes({name: Mailbox([b"one"]) for name in (b"INBOX", b"a", b"a/b", b"c")})

    async def whole() -> Any:
        channel: Session = Channel("server", ImapClient())
        await Open(channel, HERE, 60)
        await until(channel, Greeted)
        await ask(channel, Select(b"INBOX"))
        result = await story(channel, boxes)
        await Close(channel)
        return result

    world = Simulation()
    options.setdefault("capabilities", ALL_CAPABILITIES)
    world.listen(HERE, ImapServer, lambda channel: serve_imap(channel, boxes, **options))
    return world.run(whole())


async def ask(channel: Session, command: Command) -> list[Any]:
    """Send a command; return all that is said until its end, and that."""
    channel.machine.send(command)
    return await until(channel, Completed)


async def until(channel: Session, kind: type) -> list[Any]:
    events: list[Any] = []
    while not events or not isinstance(events[-1], kind):
        events.append(await next_event(channel, 60))
    return events


async def unasked(channel: Session) -> list[Any]:
    """Return what is said although nothing was asked."""
    events: list[Any] = []
    try:
        while True:
            events.append(await next_event(channel, LONG))
    except TimedOut:
        return events


def told(events: list[Any]) -> dict[bytes, tuple[int | bytes, ...]]:
    """Return mailboxes with their messages, the next UID and UIDVALIDITY."""
    statuses = [event for event in events if isinstance(event, MailboxStatus)]
    return {status.mailbox: tuple(value for _, value in status.items) for status in statuses}


def test_mailboxes_that_are_not_open_are_told_of_without_a_command() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        quiet = await unasked(channel)
        boxes[b"c"].append(b"two")
        boxes[b"INBOX"].append(b"two")
        return quiet, await unasked(channel)

    quiet, events = talk(story)
    assert quiet == []
    assert told(events) == {b"c": (2, 3, 1)}
    assert Exists(2) in events


def test_while_idle_and_behind_a_reply_they_are_told_of_as_well() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        channel.machine.send(Idle())
        await until(channel, Idling)
        boxes[b"a"].append(b"two")
        idle = await unasked(channel)
        channel.machine.send(Done())
        boxes[b"a"].remove({1})
        return told(idle), told(await until(channel, Completed))

    assert talk(story) == ({b"a": (2, 3, 1)}, {b"a": (1, 3, 1)})


def test_status_tells_at_once_how_all_but_the_open_one_stand() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        return await ask(channel, Notify(OTHERS.groups, status=True))

    assert [*told(talk(story))] == [b"a", b"a/b", b"c"]


@pytest.mark.parametrize(
    ("group", "names"),
    [
        (EventGroup(b"PERSONAL", BOTH), {b"INBOX", b"a", b"a/b", b"c"}),
        (EventGroup(b"INBOXES", BOTH), {b"INBOX"}),
        (EventGroup(b"SUBSCRIBED", BOTH), {b"c"}),
        (EventGroup(b"SUBTREE", BOTH, (b"a",)), {b"a", b"a/b"}),
        (EventGroup(b"MAILBOXES", BOTH, (b"a", b"inbox")), {b"a", b"INBOX"}),
        (EventGroup(b"PERSONAL"), set[bytes]()),
    ],
)
def test_a_group_is_about_these_mailboxes(group: EventGroup, names: set[bytes]) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        boxes.subscribed.add(b"c")
        await ask(channel, Unselect())
        return await ask(channel, Notify((group,), status=True))

    assert told(talk(story)).keys() == names


def test_the_first_group_that_fits_decides() -> None:
    mute = EventGroup(b"MAILBOXES", (), (b"c",))

    async def story(channel: Session, boxes: Mailboxes) -> Any:
        return await ask(channel, Notify((mute, EventGroup(b"PERSONAL", BOTH)), status=True))

    assert told(talk(story)).keys() == {b"a", b"a/b"}


def test_what_comes_into_a_mailbox_when_it_is_just_left_is_told_of() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        boxes[b"INBOX"].append(b"two")
        return await ask(channel, Select(b"c"))

    assert told(talk(story)) == {b"INBOX": (2, 3, 1)}


def test_a_new_mailbox_and_one_with_other_uids_are_told_of() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        made = await ask(channel, CreateMailbox(b"d"))
        boxes[b"c"] = Mailbox([b"other"], uidvalidity=9)
        return told(made), told(await unasked(channel))

    assert talk(story) == ({b"d": (0, 1, 2)}, {b"c": (1, 2, 9)})


@pytest.mark.parametrize(("which", "gone"), [(b"SELECTED", True), (b"SELECTED-DELAYED", False)])
def test_removals_from_the_open_mailbox_wait_for_a_command_if_they_are_to(
    which: bytes, gone: bool
) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, Notify((EventGroup(which, BOTH),)))
        boxes[b"INBOX"].remove({1})
        return await unasked(channel), await ask(channel, Noop())

    at_once, later = talk(story)
    assert (Expunged(1) in at_once) is gone
    assert (Expunged(1) in later) is not gone


def test_who_wants_no_news_any_more_gets_none() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        await ask(channel, Notify())
        boxes[b"c"].append(b"two")
        return await unasked(channel), await ask(channel, Fetch(b"1", b"UID"))

    quiet, fetched = talk(story)
    assert (quiet, told(fetched)) == ([], {})


@pytest.mark.parametrize(
    ("group", "code"),
    [
        (
            EventGroup(b"PERSONAL", (b"MailboxName",)),
            Code(b"BADEVENT", b"(MessageNew MessageExpunge)"),
        ),
        (EventGroup(b"SELECTED", BOTH, (), (b"UID",)), None),
    ],
)
def test_news_that_are_not_to_be_had_are_refused_and_those_before_stay(
    group: EventGroup, code: Code | None
) -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        refused = (await ask(channel, Notify((group,))))[-1]
        boxes[b"c"].append(b"two")
        return refused, told(await unasked(channel))

    refused, news = talk(story)
    assert (refused.condition, refused.code) == (Condition.NO, code)
    assert news.keys() == {b"c"}


def test_it_can_lose_track_once_and_is_to_be_asked_again() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        [first, _] = await ask(channel, OTHERS)
        boxes[b"c"].append(b"two")
        quiet = await unasked(channel)
        return first, quiet, told(await ask(channel, Notify(OTHERS.groups, status=True)))[b"c"]

    first, quiet, now = talk(story, misbehaviour=Misbehaviour(overflow=True))
    assert first.code == Code(b"NOTIFICATIONOVERFLOW")
    assert (quiet, now) == ([], (2, 3, 1))


def test_it_can_be_blind_for_all_that_it_is_not_asked_for() -> None:
    async def story(channel: Session, boxes: Mailboxes) -> Any:
        await ask(channel, OTHERS)
        boxes[b"c"].append(b"two")
        quiet = told(await unasked(channel))
        return quiet, told(await ask(channel, Notify(OTHERS.groups, status=True)))[b"c"]

    assert talk(story, misbehaviour=Misbehaviour(blind=True)) == ({}, (2, 3, 1))
