"""Several connections to one SMTP or LMTP listener (``smtpparallel``), for a listener far away.

Each connection delivers one message after the other, as the only connection of SmtpSink does; so
at most as many messages wait for their verdicts as there are connections, and what one connection
may do with a message does not depend on the others. The connections are flows beside the main one.

A message is spooled until it is complete, since any connection may deliver it. Messages may arrive
at the listener in another order. Where the listener or a limit in between refuses a further
connection, those that are open deliver everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from ...flows.outcome import Outcome, PollFailed, SinkUnavailable, Verdict
from ...flows.requests import Call, Signal, Spawn, Wait, Waitable
from ...flows.sink import Declined, Delivery, Parcel
from ...flows.source import CompletionProof
from .smtp import SmtpSink
from .smtp_connection import Listener
from .spool import (
    SpoolTooSmall,
    add_to_spool,
    is_in_memory,
    new_spool,
    read_spool,
    too_large_outcome,
)
from .spooled import BLOCK, SpooledDelivery

PATIENCE = 24 * 3600.0
"""Seconds: longer than any connection waits for one reply, so this never ends a wait."""
PER_CONNECTION = 2
"""Complete messages for each connection: the envelope of one is sent with the end of the other."""


class Lane:
    """One connection. ``busy``: a flow uses it.

    ``starting``: that flow takes a message at once. ``opening``: it has to connect before that,
    which may take minutes, or fail.
    """

    def __init__(self, sink: SmtpSink) -> None:
        self.sink = sink
        self.busy = False
        self.starting = False
        self.opening = False

    @property
    def connected(self) -> bool:
        """Whether it can deliver at once, as far as is known."""
        return self.sink.usable

    def begin(self) -> None:
        """Note that a flow begins."""
        self.busy = True
        self.starting = self.connected
        self.opening = not self.connected

    def can_deliver(self) -> None:
        """Note that the connection is open."""
        self.starting = self.opening = False

    def end(self) -> None:
        """Note that the flow has ended."""
        self.busy = self.starting = self.opening = False


class ParallelSmtpSink:
    """At most ``most`` connections to one listener. See ``mailhaul.flows.sink.Sink``.

    ``first`` is the sink for the whole hunt list; ``another`` makes one for the listener in use.
    """

    keeps_return_path = False
    finds_offers = False
    gathers = False

    def __init__(
        self,
        first: SmtpSink,
        another: Callable[[Listener], SmtpSink],
        most: int,
        spool_folder: str,
    ) -> None:
        self._another = another
        self._lanes = [Lane(first)]
        self._most = most
        self.lanes = PER_CONNECTION * most
        self.spool_folder = spool_folder
        self._queue: deque[ParallelDelivery] = deque()
        self._failure: PollFailed | None = None
        self._news = Signal()

    @property
    def domain(self) -> str:
        """The domain of the current listener, which is added to local names."""
        return self._lanes[0].sink.domain

    async def open(self) -> None:
        """Connect, if no connection is open or is being opened. Raises SinkUnavailable."""
        self._check()
        # One that is lost is opened again when it is needed, while others deliver.
        if not any(lane.busy or lane.connected for lane in self._lanes):
            await self._lanes[0].sink.open()

    def _check(self) -> None:
        if self._failure:
            raise self._failure

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message."""
        self._check()
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return ParallelDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Waitable]:
        """Return what is set when a verdict arrives."""
        self._forget_news()
        return [self._news]

    async def hear_any(self) -> bool:
        """Wait until a verdict arrives."""
        await Wait([self._news], PATIENCE)
        self._forget_news()
        return True

    def _forget_news(self) -> None:
        if self._news.is_set:
            self._news = Signal()

    async def close(self) -> None:
        """End all sessions at the same time. A connection that is not open yet is given up."""
        for lane in self._lanes:
            if not lane.busy:
                lane.busy = True
                await Spawn(partial(self._quit, lane))
        while any(self._has_to_end(lane) for lane in self._lanes):
            await self.hear_any()

    @staticmethod
    def _has_to_end(lane: Lane) -> bool:
        return lane.busy and not lane.opening and lane.sink.channel.open

    async def _quit(self, lane: Lane) -> None:
        await lane.sink.close()
        self._release(lane)

    # Connections

    async def enqueue(self, delivery: ParallelDelivery) -> None:
        """Deliver a complete message as soon as a connection is free."""
        self._queue.append(delivery)
        await self._start()

    async def _start(self) -> None:
        """Use the idle connections for the messages in the queue, and open more if needed."""
        idle = [lane for lane in self._lanes if not lane.busy]
        connected = [lane for lane in idle if lane.connected]
        closed = [lane for lane in idle if not lane.connected]
        wanted = len(self._queue) - sum([lane.starting for lane in self._lanes])
        begun = connected[: max(0, wanted)]
        # One that is being opened will help, but a connection that is open does not wait for it.
        wanted -= len(begun) + sum([lane.opening for lane in self._lanes])
        while len(closed) < wanted and len(self._lanes) < self._most:
            closed.append(Lane(self._another(self._lanes[0].sink.listener)))
            self._lanes.append(closed[-1])
        begun += closed[: max(0, wanted)]
        for lane in begun:
            lane.begin()
            await Spawn(partial(self._work, lane))

    async def _work(self, lane: Lane) -> None:
        """Deliver messages with one connection until the queue is empty."""
        try:
            await lane.sink.open()
            lane.can_deliver()
            await self._deliver(lane.sink)
        except SinkUnavailable as error:
            self._remove(lane, error)
        except PollFailed as error:
            self._fail(error)
        self._release(lane)
        if not self._failure:
            await self._start()

    async def _deliver(self, sink: SmtpSink) -> None:
        """Deliver message after message. Raises PollFailed; then its message waits again."""
        sent: tuple[ParallelDelivery, Delivery] | None = None
        try:
            while self._queue:
                job = self._queue.popleft()
                try:
                    delivery = await sink.offer(job.parcel)
                    if sent:
                        self._conclude(sent[0], await sent[1].outcome())
                    sent = None
                    await job.send(delivery)
                except PollFailed:
                    self._queue.appendleft(job)
                    raise
                sent = (job, delivery)
            if sent:
                self._conclude(sent[0], await sent[1].outcome())
                sent = None
        finally:
            # A connection that is lost has told its last message; the poll is over otherwise.
            if sent and (outcome := sent[1].known_outcome()):
                self._conclude(sent[0], outcome)

    def _conclude(self, delivery: ParallelDelivery, outcome: Outcome) -> None:
        delivery.conclude(outcome)
        self._news.set()

    def _release(self, lane: Lane) -> None:
        lane.end()
        self._news.set()

    def _remove(self, lane: Lane, error: SinkUnavailable) -> None:
        """Do without a connection that cannot be opened, unless it is the last one."""
        if len(self._lanes) == 1:
            self._fail(error)
            return
        self._lanes.remove(lane)
        self._most = len(self._lanes)
        self.lanes = PER_CONNECTION * self._most

    def _fail(self, error: PollFailed) -> None:
        """Deliver no more: the messages in the queue are postponed."""
        self._failure = self._failure or error
        while self._queue:
            self._conclude(self._queue.popleft(), Outcome(Verdict.POSTPONED, str(error)))


class ParallelDelivery(SpooledDelivery):
    """One message. It is spooled, and then sent by one of the connections."""

    def __init__(self, sink: ParallelSmtpSink, parcel: Parcel, spool: int) -> None:
        super().__init__(parcel, spool, sink.spool_folder)
        self._sink = sink
        self._proof: CompletionProof | None = None

    @property
    def parcel(self) -> Parcel:
        """The message, without its text."""
        return self._parcel

    async def ready(self) -> bool:
        """Return True: the spool takes every text."""
        return True

    async def feed(self, data: bytes) -> None:
        """Write some bytes of the text to the spool. Raises PollFailed (IOERR)."""
        if self._verdict is None:
            try:
                await add_to_spool(self._spool, data, self._spool_folder, self._parcel.size)
            except SpoolTooSmall as fault:
                self._conclude(too_large_outcome(fault))

    async def complete(self, proof: CompletionProof) -> None:
        """Let a connection deliver the message: ``proof`` shows that it is complete."""
        self._proof = proof
        if self._verdict is None:
            await self._sink.enqueue(self)

    async def send(self, delivery: Delivery) -> None:
        """Send the text with one connection, up to its end. Raises SinkUnavailable."""
        if not await delivery.ready():
            return
        place = 0
        while self._verdict is None and delivery.known_outcome() is None:
            block = await self._read(place)
            if not block:
                break
            place += len(block)
            await delivery.feed(block)
        if self._verdict is not None or self._proof is None:
            # Nobody awaits the verdict any more.
            await delivery.abandon()
        elif delivery.known_outcome() is None:
            await delivery.complete(self._proof)

    async def _read(self, place: int) -> bytes:
        """Return the next octets of the spool. Raises PollFailed (IOERR)."""
        read = partial(read_spool, self._spool, place, BLOCK, self._spool_folder)
        return read() if is_in_memory(self._parcel.size) else await Call(read)

    async def outcome(self) -> Outcome:
        """Wait for the verdict."""
        while self._verdict is None:
            await self._sink.hear_any()
        return self._verdict

    def conclude(self, outcome: Outcome) -> None:
        """Set the verdict that a connection received."""
        self._conclude(outcome)
