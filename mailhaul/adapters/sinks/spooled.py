"""What the deliveries share that keep a message until it is whole and then put it into a file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...flows.outcome import Outcome, Verdict
from ...flows.requests import Call
from ...flows.sink import Parcel
from ...flows.source import Complete
from .spool import write_spool

BLOCK = 256 * 1024


class SpooledDelivery:
    """A spool and a verdict. What fills the one and leads to the other is for subclasses."""

    def __init__(self, parcel: Parcel, spool: int, spool_folder: str) -> None:
        self._parcel = parcel
        self._spool = spool
        self._spool_folder = spool_folder
        self._verdict: Outcome | None = None

    async def _write(self, data: bytes) -> None:
        """Add to the spool. Raises PollFailed (IOERR)."""
        await Call(lambda: write_spool(self._spool, data, self._spool_folder))

    def _blocks(self) -> Iterator[bytes]:
        """Yield what is in the spool, from its beginning. Raises OSError."""
        os.lseek(self._spool, 0, os.SEEK_SET)
        while block := os.read(self._spool, BLOCK):
            yield block

    async def complete(self, proof: Complete) -> None:
        """Bring the message to its place: ``proof`` says that it is whole. Raises PollFailed."""
        del proof
        try:
            await self._deliver()
        finally:
            self._conclude(Outcome(Verdict.POSTPONED, "the message could not be delivered"))

    async def _deliver(self) -> None:
        """Take what is in the spool to its place, and come to a verdict."""
        raise NotImplementedError

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._verdict or Outcome(Verdict.POSTPONED, "the message was given up")

    def settled(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self._verdict

    async def abandon(self) -> None:
        """Forget the spool: nothing has been added anywhere."""
        self._conclude(Outcome(Verdict.POSTPONED, "the message was given up"))

    def _accept(self) -> None:
        taken = tuple(
            (recipient.decode("utf-8", "surrogateescape"), Verdict.ACCEPTED)
            for recipient in self._parcel.recipients
        )
        self._conclude(Outcome(Verdict.ACCEPTED, "", taken))

    def _conclude(self, verdict: Outcome) -> None:
        """Forget the spool. The first verdict stands."""
        self._verdict = self._verdict or verdict
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1
