"""How a figure is taken: the best of several runs, in seconds of this process's CPU.

CPU time leaves out what neighbours on the machine do, and the best run leaves out most of what
they do to caches. A figure is given beside plain copying on the same machine at the same time,
so that figures from different machines can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time

READ = 256 * 1024
"""Octets that a runtime reads at a time."""
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many octets in so many seconds. ``aim`` is in MB/s, None where there is none."""

    name: str
    octets: int
    seconds: float
    aim: float | None = None

    @property
    def speed(self) -> float:
        """Megabytes per second."""
        return self.octets / self.seconds / MEGABYTE


def best(prepare: Callable[[], Callable[[], None]], runs: int) -> float:
    """Return the CPU seconds of the fastest run; what ``prepare`` does is not counted."""
    seconds: list[float] = []
    for _ in range(runs):
        work = prepare()
        before = process_time()
        work()
        seconds.append(process_time() - before)
    return min(seconds)


def copying(runs: int) -> float:
    """Return the megabytes per second of copying reads from one place to another, and no more."""
    block = memoryview(bytes(READ))
    rounds = 4000

    def work() -> None:
        for _ in range(rounds):
            bytes(block)

    return rounds * READ / best(lambda: work, runs) / MEGABYTE


def reads(stream: bytes) -> list[bytes]:
    """Cut a stream as it would be read."""
    return [stream[start : start + READ] for start in range(0, len(stream), READ)]


def message(octets: int) -> bytes:
    """Return a message of this size: lines of text, some of them with a dot in front."""
    header = b"From: ann@example.org\r\nTo: bob@example.net\r\nSubject: figures\r\n\r\n"
    line = b"All happy families are alike; each unhappy family is unhappy in its own way.\r\n"
    paragraph = line * 12 + b".a line that begins with a dot\r\n"
    text = header + paragraph * (octets // len(paragraph) + 1)
    return text[: octets - 2] + b"\r\n"
