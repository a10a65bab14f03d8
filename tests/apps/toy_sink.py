"""A sink that greets each message, and the mailhaul command with this sink.

A new kind of sink needs only this: a sink with ``make``, and a table row.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mailhaul.adapters.sinks import kinds
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import Outcome, Verdict
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import CompletionProof


class ToySink:
    """Prints what it accepts. See ``mailhaul.flows.sink.Sink``."""

    domain = "localhost"
    keeps_return_path = False
    finds_offers = False
    lanes = 1
    gathers = False

    def __init__(self, greeting: str) -> None:
        self._greeting = greeting

    async def open(self) -> None:
        """Open nothing."""

    async def close(self) -> None:
        """Close nothing."""

    def listening(self) -> Sequence[Channel[Any]]:
        """Wait for nothing."""
        return ()

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    async def offer(self, parcel: Parcel) -> ToyDelivery:
        """Accept a message."""
        return ToyDelivery(f"{self._greeting}, {parcel.recipients[0].decode()}")


class ToyDelivery:
    """One message. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, line: str) -> None:
        self._outcome: Outcome | None = None
        self._line = line
        self._octets = 0

    async def ready(self) -> bool:
        """Accept any message."""
        return True

    async def feed(self, data: bytes) -> None:
        """Count some octets."""
        self._octets += len(data)

    async def complete(self, proof: CompletionProof) -> None:
        """Accept the message."""
        del proof
        sys.stdout.write(f"{self._line}: {self._octets} octets\n")
        self._outcome = Outcome(Verdict.ACCEPTED)

    def known_outcome(self) -> Outcome | None:
        """Return the verdict, or None."""
        return self._outcome

    async def outcome(self) -> Outcome:
        """Return the verdict. A message that never became complete is not accepted."""
        return self._outcome or Outcome(Verdict.POSTPONED)

    async def abandon(self) -> None:
        """Forget the message."""

    def release(self) -> None:
        """Release nothing."""


def make(order: kinds.SinkOrder) -> ToySink:
    """Return the toy; the value of its option is a greeting."""
    return ToySink(order.value)


if __name__ == "__main__":
    row = kinds.SinkKind("toy", "toy", "greeted with {}", "toy_sink", help="greet each message")
    kinds.SINKS = (row, *kinds.SINKS)
    kinds.DIRECT_SINKS = (row, *kinds.DIRECT_SINKS)
    from mailhaul.apps.main import main

    sys.exit(main())
