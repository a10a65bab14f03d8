"""Wish 4: no crash between fetching and storing marks a message as read that nobody has.

odoo PR#58500 (a time limit ended the process: marked as read, never stored), odoo PR#125202,
odoo#7464, paperless-ngx#2396, zammad#806.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.wishes.reading_world import StoppedAt, world


@pytest.mark.parametrize("options", [{"keep": True}, {}], ids=["keep", "delete"])
def test_what_is_marked_or_gone_was_stored_at_whatever_step_the_process_dies(
    options: dict[str, Any],
) -> None:
    killed = 0
    for step in range(1, 400, 7):
        here = world(3)
        code = here.poll(simulation=StoppedAt(step), **options)
        untouched = {m.uid for m in here.inbox.messages if not m.flags}
        assert {1, 2, 3} - untouched <= {*here.got}
        if code is not None:
            break
        killed += 1
        here.poll(**options)
        assert {*here.got} == {1, 2, 3}
        # At most the one that waited for its verdict comes twice.
        assert len(here.got) <= 4
    assert killed > 7


def test_a_listener_that_dies_after_every_text_leaves_all_mail_unread() -> None:
    from mailhaul.protocols.smtp.commands import EndOfData
    from mailhaul.servers.smtp import HangUp

    here = world(3)
    here.received.policy = lambda heard: HangUp() if isinstance(heard, EndOfData) else None
    here.poll(keep=True)
    assert [message.flags for message in here.inbox.messages] == [set(), set(), set()]
    here.received.policy = None
    here.poll(keep=True)
    assert {*here.got} == {1, 2, 3}
