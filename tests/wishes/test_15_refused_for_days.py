"""Wish 15: a listener that refuses for days, temporarily, makes no mailbox overflow.

Mail stays on the server and is offered again. What the listener takes leaves the server at once,
nothing is bounced, nothing is set aside, and nothing arrives twice. hardware/mailserver#252 ("451
Ratelimit exceeded", 117 321 messages), hardware/mailserver#173, docker-kolab#12.
"""

from __future__ import annotations

import pytest

from mailhaul.adapters.ledger.quarantine import stuck
from mailhaul.protocols.smtp.commands import Heard, Rcpt
from mailhaul.protocols.smtp.events import Reply
from tests.wishes.reading_world import DAY, text, world

RATE = 5
"""Messages an hour that the listener takes."""


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_rate_limit_empties_the_mailbox_at_its_own_rate(protocol: str) -> None:
    here = world(30, protocol)
    taken = 0

    def limit(heard: Heard) -> Reply | None:
        nonlocal taken
        if not isinstance(heard, Rcpt):
            return None
        taken += 1
        return None if taken <= RATE else Reply(451, (b"4.7.1 Ratelimit exceeded",))

    here.received.policy = limit
    most = 0
    number = 30
    for hour in range(24):
        taken = 0
        if hour % 8 == 0:
            number += 1
            here.inbox.append(text(number))
        before = len(here.left)
        here.poll()
        # Whatever was taken has left the server.
        assert len(here.left) == before - min(RATE, before)
        most = max(most, len(here.left))
        here.now += 3600
    assert most <= 30
    assert sorted(here.got) == [*range(1, number + 1)]
    assert (here.left, list(stuck(here.ledger))) == ([], [])


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_days_without_any_acceptance_cost_nothing(protocol: str) -> None:
    here = world(45, protocol)
    here.received.policy = lambda heard: (
        Reply(451, (b"4.3.2 try later",)) if isinstance(heard, Rcpt) else None
    )
    for _ in range(8):
        here.poll()
        # Of new mail, and of mail that has failed before, only twenty in a row are tried.
        assert here.read <= 2 * 20
        here.now += DAY / 2
    assert (here.got, len(here.left), list(stuck(here.ledger))) == ([], 45, [])
    here.received.policy = None
    here.poll()
    assert (sorted(here.got), here.left) == ([*range(1, 46)], [])
