"""What a sink has accepted is settled in the same poll, also if the sink takes no more after it."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.flows.outcome import ExitCode
from mailhaul.protocols.smtp.commands import EndOfData
from mailhaul.protocols.smtp.events import Reply
from tests.wishes.reading_world import World, world

COUNT, TAKEN = 40, 4


def full_after_a_few(**options: Any) -> World:
    """Return a world whose listener takes a few messages, and postpones all others."""
    here = world(COUNT, **options)
    here.received.policy = lambda heard: (
        Reply(451, (b"later",)) if isinstance(heard, EndOfData) and len(here.got) >= TAKEN else None
    )
    return here


@pytest.mark.parametrize("capabilities", [(b"UIDPLUS",), ()])
@pytest.mark.parametrize("batch", [TAKEN, 3, 0])
def test_replies_to_deletions_that_are_on_their_way_count(
    capabilities: tuple[bytes, ...], batch: int
) -> None:
    """The server answers the deletions of a full batch after the texts that it was asked for."""
    here = full_after_a_few(capabilities=capabilities)
    assert here.poll(expunge=batch) is ExitCode.SMTP
    assert here.got == [*range(1, TAKEN + 1)]
    assert here.left == [*range(TAKEN + 1, COUNT + 1)]
    assert not [text for text in here.errors if "stay pending" in text]
    rows = here.ledger.write(lambda db: db.execute("SELECT uid FROM message").fetchall())
    assert not {uid for (uid,) in rows} & {*range(1, TAKEN + 1)}


@pytest.mark.parametrize("batch", [TAKEN, 3, 0])
def test_replies_to_marks_that_are_on_their_way_count(batch: int) -> None:
    here = full_after_a_few()
    assert here.poll(keep=True, expunge=batch) is ExitCode.SMTP
    read = [one.uid for one in here.inbox.messages if rb"\Seen" in one.flags]
    assert read == [*range(1, TAKEN + 1)]
    assert not [text for text in here.errors if "stay pending" in text]
