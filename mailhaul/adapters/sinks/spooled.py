"""What the deliveries share that keep a message until it is whole and then put it into a file."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...flows.outcome import Outcome, Verdict
from ...flows.requests import Call
from ...flows.sink import Parcel
from ...flows.source import Complete
from .spool import SpoolTooSmall, too_large, write_spool

BLOCK = 256 * 1024


class SpooledDelivery:
    """A spool and a verdict. What fills the one and leads to the other is for subclasses."""

    def __init__(self, parcel: Parcel, spool: int, spool_folder: str) -> None:
        self._parcel = parcel
        self._spool = spool
        self._spool_folder = spool_folder
        self._verdict: Outcome | None = None

    async def _write(self, data: bytes) -> None:
        """Add to the spool. Where there is no room, that is the verdict. Raises PollFailed (IOERR)."""
        if self._verdict is not None:
            return
        try:
            await Call(lambda: write_spool(self._spool, data, self._spool_folder))
        except SpoolTooSmall as fault:
            self._conclude(too_large(fault))

    def _blocks(self) -> Iterator[bytes]:
        """Yield what is in the spool, from its beginning. Raises OSError.

        The spool may be closed meanwhile, when nobody waits for a disk that hangs any more: its
        number may then be that of another file.
        """
        spool = os.dup(self._spool)
        try:
            place = 0
            while block := os.pread(spool, BLOCK, place):
                place += len(block)
                yield block
        finally:
            os.close(spool)

    async def complete(self, proof: Complete) -> None:
        """Bring the message to its place: ``proof`` says that it is whole. Raises PollFailed."""
        del proof
        try:
            await self._write(self._ending())
            if self._verdict is None:
                await self._deliver()
        finally:
            self._conclude(Outcome(Verdict.POSTPONED, "the message could not be delivered"))

    def _ending(self) -> bytes:
        """Return what ends the text."""
        raise NotImplementedError

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
