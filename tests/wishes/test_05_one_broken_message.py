"""Wish 5: one broken message does not block a helpdesk for days, and is not fetched for ever.

freescout#4293 (silent for two days), zammad#2754 (one message that cannot be parsed), zammad#1877,
odoo PR#230486 (the opposite: fetched again and again).
"""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.protocols.smtp.commands import EndOfData, Heard
from mailhaul.protocols.smtp.events import Reply
from tests.wishes.reading_world import text, world


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_tickets_arrive_every_hour_although_the_first_message_is_broken(protocol: str) -> None:
    here = world(1, protocol)
    begun: list[bytes] = []

    def refuse_the_first(heard: Heard) -> Reply | None:
        broken = isinstance(heard, EndOfData) and begun[-1:] == [b"1"]
        return Reply(554, (b"5.6.0 cannot parse this",)) if broken else None

    def note(heard: Heard) -> Reply | None:
        data = getattr(heard, "data", b"")
        if b"Subject: " in data:
            begun.append(data.split(b"Subject: ")[1].split(b"\r")[0])
        return refuse_the_first(heard)

    here.received.policy = note
    ticket = 1
    for _ in range(26):
        ticket += 1
        here.inbox.append(text(ticket))
        here.poll()
        # Each ticket has arrived in the poll after it was written.
        assert here.got[-1] == ticket
        here.now += 3600
    assert here.got == [*range(2, ticket + 1)]
    assert here.left == [1]
    assert len(stuck(here.ledger)) == 1
    before = begun.count(b"1")
    here.poll()
    assert begun.count(b"1") == before
