"""What the deliveries share that keep a message until it is whole and then put it into a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from ...flows.channel import Channel, Program
from ...flows.outcome import Outcome, Verdict
from ...flows.requests import Call, Sleep
from ...flows.sink import Parcel
from ...flows.source import CompletionProof
from ..folders import sync_name
from .spool import SpoolTooSmall, too_large, write_spool

BLOCK = 256 * 1024
PATIENCE = 60.0
"""Seconds that one poll waits for other programs, for all its messages together."""
INTERVAL = 0.5
"""Seconds between two attempts."""


class FileSink:
    """What the sinks share that append to one file. See ``mailhaul.flows.sink.Sink``."""

    def __init__(self, path: str, spool_folder: str) -> None:
        self.path = path
        self.spool_folder = spool_folder
        self.named = False
        """Whether the name of the file is on the disk for certain."""
        self._patience = PATIENCE

    async def open(self) -> None:
        """Nothing to do: the file is opened for each message."""

    async def wait(self) -> bool:
        """Wait before the next attempt; False when this poll has waited long enough."""
        if not self.grants(INTERVAL):
            return False
        await Sleep(INTERVAL)
        return True

    def grants(self, seconds: float) -> bool:
        """Take so many seconds from what this poll may wait; False when nothing is left."""
        if self._patience <= 0:
            return False
        self._patience -= seconds
        return True

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return nothing: a file answers at once."""
        return ()

    async def close(self) -> None:
        """Nothing to do: every message is finished by itself."""

    def sync_name(self, *, new: bool) -> None:
        """Bring the name of the file to the disk, if it may not be there. Raises OSError."""
        if new or not self.named:
            # Where it is a link, the file's own name counts.
            sync_name(os.path.realpath(self.path), new=new)
            self.named = True


class SpooledDelivery:
    """A spool and a verdict. What fills the one and leads to the other is for subclasses."""

    def __init__(self, parcel: Parcel, spool: int, spool_folder: str) -> None:
        self._parcel = parcel
        self._spool = spool
        self._spool_folder = spool_folder
        self._verdict: Outcome | None = None

    async def _write(self, data: bytes) -> None:
        """Add to the spool. Where there is no room, that is the verdict.

        Raises PollFailed (IOERR).
        """
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

    async def complete(self, proof: CompletionProof) -> None:
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

    def let_go(self) -> None:
        """Close what is open, without waiting."""
        self._conclude(Outcome(Verdict.POSTPONED, "the poll was cancelled"))

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
