"""Wish 20: a message with several labels, or in All Mail too, is delivered once."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.servers.mailboxes import Mailbox
from tests.shown_lines import ShownLines
from tests.wishes.reading_world import StoppedAt, World, text

ALL = b"[Gmail]/All Mail"
FOLDERS = ("INBOX", "Work", "[Gmail]/All Mail")
naming = pytest.mark.parametrize("capability", [b"OBJECTID", b"X-GM-EXT-1"])


def labelled(*capabilities: bytes) -> World:
    """Return a world with four messages; three are in several folders."""
    boxes = {
        b"INBOX": Mailbox([text(1), text(2)]),
        b"Work": Mailbox([text(2), text(3)]),
        ALL: Mailbox([text(number) for number in (1, 2, 3, 4)]),
    }
    return World(boxes, capabilities=(b"UIDPLUS", *capabilities))


def fetch(here: World, **options: Any) -> Any:
    return here.poll(mailboxes=FOLDERS, **options)


@naming
@pytest.mark.parametrize("keep", [True, False])
def test_each_message_comes_once(capability: bytes, keep: bool) -> None:
    here = labelled(capability)
    fetch(here, once=True, keep=keep)
    assert sorted(here.got) == [1, 2, 3, 4]
    copies = [message for box in here.boxes.values() for message in box.messages]
    if keep:
        assert {frozenset(message.flags) for message in copies} == {frozenset({rb"\Seen"})}
    else:
        assert copies == []
    fetch(here, once=True, keep=keep)
    assert sorted(here.got) == [1, 2, 3, 4]


def test_a_label_that_is_added_later_brings_no_copy() -> None:
    here = labelled(b"X-GM-EXT-1")
    fetch(here, once=True, keep=True)
    here.boxes[b"Work"].append(text(4))
    fetch(here, once=True, keep=True)
    assert sorted(here.got) == [1, 2, 3, 4]


def test_what_comes_back_to_its_folder_is_fetched_again() -> None:
    """Such as a message that is moved to the trash and back, which keeps its name."""
    here = labelled(b"OBJECTID")
    fetch(here, once=True)
    here.boxes[b"INBOX"].append(text(1))
    here.boxes[b"Work"].append(text(4))
    fetch(here, once=True)
    # The fourth was delivered from All Mail.
    assert sorted(here.got) == [1, 1, 2, 3, 4]
    assert [box.messages for box in here.boxes.values()] == [[], [], []]


@pytest.mark.parametrize(("capabilities", "once"), [((), True), ((b"OBJECTID",), False)])
def test_without_names_or_without_the_option_nothing_is_asked(
    capabilities: tuple[bytes, ...], once: bool
) -> None:
    here = labelled(*capabilities)
    lines: list[bytes] = []
    here.tap = ShownLines(lambda way, line: lines.append(line))
    fetch(here, once=once, keep=True)
    assert len(here.got) == 8
    assert not [line for line in lines if b"EMAILID" in line or b"X-GM-MSGID" in line]


def test_a_message_that_the_sink_refused_is_fetched_from_the_other_folder() -> None:
    from mailhaul.protocols.smtp.commands import EndOfData
    from mailhaul.protocols.smtp.events import Reply

    here = labelled(b"OBJECTID")
    refusals = iter([Reply(554, (b"no",))])
    here.received.policy = lambda heard: (
        next(refusals, None) if isinstance(heard, EndOfData) else None
    )
    fetch(here, once=True)
    assert sorted(here.got) == [1, 2, 3, 4]
    assert here.left == [1]


def test_the_same_name_with_another_size_is_another_message() -> None:
    here = labelled(b"OBJECTID")
    here.contents = lambda message: b"M1"
    fetch(here, once=True, keep=True)
    assert sorted({*here.got}) == [1, 2, 3, 4]


def test_a_kill_at_any_step_loses_nothing_and_copies_at_most_one() -> None:
    killed = 0
    for step in range(5, 500, 14):
        here = labelled(b"OBJECTID")
        if fetch(here, once=True, simulation=StoppedAt(step)) is not None:
            break
        killed += 1
        fetch(here, once=True)
        assert {*here.got} == {1, 2, 3, 4}
        assert len(here.got) <= 5
        assert not any(box.messages for box in here.boxes.values())
    assert killed > 10
