"""How often a dialogue moves for one message, and what a move costs.

automat looks for a transition in a set of all of them, so its cost depends on how many there are
and on the order of the set: that of a process's hash seed. Hence several processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

from automat._core import Transitioner

from mailhaul.protocols.imap import client_states as imap_states
from mailhaul.protocols.imap.commands import UidFetch, UidStore
from mailhaul.protocols.pop3 import client_states as pop3_states
from mailhaul.protocols.pop3.commands import Delete, Retrieve
from mailhaul.protocols.smtp import client_states as smtp_states

from . import imap, pop3, smtp

SEEDS = (1, 2, 3, 4, 5)
ROUNDS = 20_000


def counted(work: Callable[[], object]) -> int:
    """Return how many transitions some work makes."""
    count = 0
    transitioner: Any = Transitioner
    original = transitioner.transition

    def counting(self: Any, symbol: Any) -> Any:
        nonlocal count
        count += 1
        return original(self, symbol)

    transitioner.transition = counting
    try:
        work()
    finally:
        transitioner.transition = original
    return count


def of_imap() -> int:
    """Return the transitions of fetching and deleting one message."""
    client = imap.selected()

    def work() -> None:
        client.send(UidFetch(b"7", imap.ITEMS))
        client.receive_data(imap.response(7, 2, b"Subject: hi\r\n\r\n"))
        imap.pull(client)
        client.send(UidStore(b"7", b"+FLAGS.SILENT", b"(\\Deleted)"))
        client.receive_data(b"A0003 OK Store completed.\r\n")
        assert imap.pull(client) == (0, 1)

    return counted(work)


def of_pop3() -> int:
    """Return the transitions of retrieving and deleting one message."""
    client = pop3.logged_in()

    def work() -> None:
        client.send(Retrieve(7))
        client.send(Delete(7))
        client.receive_data(b"+OK\r\nSubject: hi\r\n\r\n.\r\n+OK deleted\r\n")
        assert pop3.pull(client) == (len(b"Subject: hi\r\n\r\n"), 2)

    return counted(work)


def of_smtp() -> int:
    """Return the transitions of sending one message to one recipient."""
    client = smtp.ready()

    def work() -> None:
        smtp.begin(client)
        assert smtp.end(client) == 1

    return counted(work)


def microseconds(step: Callable[[], object]) -> float:
    """Return what one move costs."""
    before = process_time()
    for _ in range(ROUNDS):
        step()
    return (process_time() - before) / ROUNDS * 1e6


def cost_here() -> list[float]:
    """Return the microseconds of a move in the IMAP, POP3 and SMTP client, in this process."""
    retrieving = pop3_states.table.dialogue(pop3_states.table.begin())
    retrieving.welcomed()
    fetching = imap_states.table.dialogue(imap_states.table.begin())
    fetching.preauthenticated()
    sending = smtp_states.table.dialogue(smtp_states.table.begin())
    sending.welcomed()
    sending.introduction_sent()
    sending.introduced()
    steps = (fetching.question_sent, retrieving.question_sent, sending.noop_sent)
    return [microseconds(step) for step in steps]


def costs() -> list[list[float]]:
    """Return the cost in processes of different hash seeds."""
    found: list[list[float]] = []
    for seed in SEEDS:
        done = subprocess.run(
            [sys.executable, "-m", "bench.machines.transitions"],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
            text=True,
        )
        found.append([float(word) for word in done.stdout.split()])
    return found


if __name__ == "__main__":
    print(*cost_here())
