"""Wish 6: a kill in the middle of a big mailbox does not fetch everything again.

getmail6#112 (11 GB fetched again), getmail6#68, imap-backup#219, zammad#78, freescout#1936.
"""

from __future__ import annotations

import pytest

from mailhaul.servers.mailboxes import Mailbox
from tests.wishes.reading_world import StoppedAt, World, text

COUNT, SIZE = 40, 50_000
"""Messages, and the octets of each: what was 11 gigabytes is 2 megabytes here."""


def big(protocol: str) -> World:
    texts = [text(n) + b"y" * (SIZE - 2) + b"\r\n" for n in range(1, COUNT + 1)]
    return World({b"INBOX": Mailbox(texts)}, protocol)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("keep", [True, False])
def test_what_was_delivered_before_the_kill_is_not_read_again(protocol: str, keep: bool) -> None:
    here = big(protocol)
    assert here.poll(simulation=StoppedAt(600), keep=keep) is None
    done = len(here.got)
    assert 3 < done < COUNT
    here.poll(keep=keep)
    again = here.read - (COUNT - done)
    # One message waited for its verdict; all others are read once.
    assert again <= 1
    assert sorted({*here.got}) == [*range(1, COUNT + 1)]
    assert len(here.got) <= COUNT + 1
    here.poll(keep=keep)
    assert here.read == 0
