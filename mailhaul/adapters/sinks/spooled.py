"""Base classes of the sinks that spool each message and then append it to a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from ...flows.channel import Channel, Endpoint
from ...flows.outcome import Outcome, Verdict
from ...flows.requests import Call, Program, Sleep
from ...flows.sink import Parcel
from ...flows.source import CompletionProof
from ..folders import sync_name
from .spool import SpoolTooSmall, too_large_outcome, write_spool

BLOCK = 256 * 1024
"""Octets that are copied at a time."""
MAX_WAIT = 60.0
"""Seconds that one poll waits for other programs, over all its messages."""
RETRY_INTERVAL = 0.5
"""Seconds between two attempts."""


class FileSink:
    """Base of the sinks that append to one file. See ``mailhaul.flows.sink.Sink``."""

    def __init__(self, path: str, spool_folder: str) -> None:
        self.path = path
        self.spool_folder = spool_folder
        self.name_synced = False
        """Whether the folder entry of the file has certainly been synced to disk."""
        self._wait_left = MAX_WAIT

    async def open(self) -> None:
        """Nothing to do: the file is opened for each message."""

    async def wait(self) -> bool:
        """Wait before the next attempt; return False if this poll has waited long enough."""
        if not self.spend_wait(RETRY_INTERVAL):
            return False
        await Sleep(RETRY_INTERVAL)
        return True

    def spend_wait(self, seconds: float) -> bool:
        """Subtract seconds from the time that this poll may wait; return False if none is left."""
        if self._wait_left <= 0:
            return False
        self._wait_left -= seconds
        return True

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return nothing: a file needs no waiting."""
        return ()

    async def hear_any(self) -> bool:
        """Return False: verdicts come in the order of the offers."""
        return False

    async def close(self) -> None:
        """Nothing to do: each delivery closes its own file."""

    def sync_name(self, *, new: bool) -> None:
        """Sync the folder entry of the file to disk, if that may be missing. Raises OSError."""
        if new or not self.name_synced:
            # For a symbolic link this is the folder of the file that it points to.
            sync_name(os.path.realpath(self.path), new=new)
            self.name_synced = True


class SpooledDelivery:
    """One spooled message. Subclasses write the spool and deliver it."""

    def __init__(self, parcel: Parcel, spool: int, spool_folder: str) -> None:
        self._parcel = parcel
        self._spool = spool
        self._spool_folder = spool_folder
        self._verdict: Outcome | None = None

    async def _write(self, data: bytes) -> None:
        """Add to the spool. If there is no room, the message is refused.

        Raises PollFailed (IOERR).
        """
        if self._verdict is not None:
            return
        try:
            await Call(lambda: write_spool(self._spool, data, self._spool_folder))
        except SpoolTooSmall as fault:
            self._conclude(too_large_outcome(fault))

    def _blocks(self) -> Iterator[bytes]:
        """Yield the contents of the spool, from its beginning. Raises OSError.

        This reads from a duplicate. If a disk hangs and the poll is cancelled meanwhile, the spool
        is closed, and its descriptor may belong to another file.
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
        """Deliver the message: ``proof`` shows that it is complete. Raises PollFailed."""
        del proof
        try:
            await self._write(self._end_of_text())
            if self._verdict is None:
                await self._deliver()
        finally:
            self._conclude(Outcome(Verdict.POSTPONED, "the message could not be delivered"))

    def _end_of_text(self) -> bytes:
        """Return the octets that end the text."""
        raise NotImplementedError

    async def _deliver(self) -> None:
        """Copy the spool to its destination and set the verdict."""
        raise NotImplementedError

    async def outcome(self) -> Outcome:
        """Return the verdict."""
        return self._verdict or Outcome(Verdict.POSTPONED, "the delivery was abandoned")

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if there is one."""
        return self._verdict

    async def abandon(self) -> None:
        """Discard the spool: nothing has been delivered."""
        self._conclude(Outcome(Verdict.POSTPONED, "the delivery was abandoned"))

    def release(self) -> None:
        """Close the spool without waiting."""
        self._conclude(Outcome(Verdict.POSTPONED, "the poll was cancelled"))

    def _accept(self) -> None:
        taken = tuple(
            (recipient.decode("utf-8", "surrogateescape"), Verdict.ACCEPTED)
            for recipient in self._parcel.recipients
        )
        self._conclude(Outcome(Verdict.ACCEPTED, "", taken))

    def _conclude(self, verdict: Outcome) -> None:
        """Close the spool and set the verdict. The first verdict is final."""
        self._verdict = self._verdict or verdict
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1
