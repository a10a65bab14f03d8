"""Random SMTP transactions: the commands, in order or not, and what the model says of each.

With PIPELINING several commands go in one segment (RFC 2920). At the end the mailbox must hold
every message that was accepted, and each of them once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..smtp.environment import SmtpEnvironment
from ..smtp.messages import stuffed
from ..smtp.session import Reply, SmtpSession, named
from ..verdicts import Broken, Skipped, require
from .scripts import Failure, Step, draw_script, shortest

WEIGHTS = {
    "hello": 4,
    "mail": 20,
    "rcpt": 24,
    "data": 16,
    "rset": 6,
    "noop": 6,
    "unknown": 2,
    "quit": 3,
}
"""How often each kind of step is drawn."""
MAX_REFUSED = 2
"""Refused commands of a session; some servers close the connection after a few more."""
MAX_GROUP = 5
"""Commands that are sent in one segment."""
LAST_IN_GROUP = frozenset({"hello", "data", "noop", "unknown"})


class RandomSmtp:
    """Sessions with one server, one after another."""

    def __init__(self, environment: SmtpEnvironment) -> None:
        self._environment = environment
        self._played = 0

    async def run(self, seed: int, steps: int) -> Failure | None:
        """Play a script; return the shortest one that fails, or None."""
        failure = await self.play(draw_script(seed, steps, 1, WEIGHTS))
        return await shortest(failure, self.play) if failure else None

    async def play(self, script: Sequence[Step]) -> Failure | None:
        """Play one script; return its failure."""
        self._accepted: list[bytes] = []
        self._played += 1
        self._made = 0
        self._group: list[tuple[bytes, bool]] = []
        done: list[Step] = []
        try:
            await self._begin()
            for step in script:
                done.append(step)
                await self._do(step)
            await self._flush()
            await self._compare_mailbox()
        except Broken as broken:
            return Failure(done, broken)
        finally:
            await self._environment.close()
        return None

    async def _begin(self) -> None:
        self._session: SmtpSession = await self._environment.ready()
        self._refused = 0
        self._in_transaction = False
        self._taken = 0

    async def _do(self, step: Step) -> None:
        if self._refused >= MAX_REFUSED:
            await self._quit(step)
        await self._steps[step.kind](self, step)
        pipelining = b"PIPELINING" in self._session.extensions
        alone = step.kind in LAST_IN_GROUP or not pipelining or step.draws[2] % 3 == 0
        if alone or len(self._group) >= MAX_GROUP:
            await self._flush()

    def _queue(self, line: bytes, *, good: bool) -> None:
        """Add a command to the group, and what its reply must be."""
        self._group.append((line, good))
        self._refused += not good

    async def _flush(self) -> list[Reply]:
        """Send the commands that are due, in one segment, and compare their replies."""
        group, self._group = self._group, []
        if not group:
            return []
        replies = await self._session.together(*(line for line, _ in group))
        for (line, good), reply in zip(group, replies, strict=True):
            wanted = "2yz" if good else "4yz or 5yz"
            right = reply.positive if good else reply.refused
            require(right, f"{wanted} as the reply to {named(line)}", reply)
        return replies

    # Steps

    async def _hello(self, step: Step) -> None:
        self._queue(self._environment.introduction, good=True)
        self._in_transaction = False

    async def _mail(self, step: Step) -> None:
        self._queue(self._environment.mail, good=not self._in_transaction)
        if not self._in_transaction:
            self._in_transaction, self._taken = True, 0

    async def _rcpt(self, step: Step) -> None:
        self._queue(self._environment.rcpt, good=self._in_transaction)
        self._taken += self._in_transaction

    async def _data(self, step: Step) -> None:
        if not (self._in_transaction and self._taken):
            self._queue(b"DATA", good=False)
            return
        await self._flush()
        reply = await self._session.command(b"DATA")
        require(reply.code == 354, "354 as the reply to DATA", reply)
        self._made += 1
        mark = b"random message %d-%d." % (self._played, self._made)
        dots = b".\r\n..\r\n" * (step.draws[0] % 3)
        text = self._environment.message(mark + b"\r\n" + dots)
        await self._session.send(stuffed(text) + b".\r\n")
        reply = await self._session.reply(b"the text")
        require(reply.positive, "2yz as the reply to the text", reply)
        self._accepted.append(mark)
        self._in_transaction = False

    async def _rset(self, step: Step) -> None:
        self._queue(b"RSET", good=True)
        self._in_transaction = False

    async def _noop(self, step: Step) -> None:
        self._queue(b"NOOP", good=True)

    async def _unknown(self, step: Step) -> None:
        self._queue(b"XCONFORMANCE", good=False)

    async def _quit(self, step: Step) -> None:
        await self._flush()
        reply = await self._session.command(b"QUIT")
        require(reply.code == 221, "221 as the reply to QUIT", reply)
        await self._environment.close()
        await self._begin()

    async def _compare_mailbox(self) -> None:
        """Require every accepted message in the mailbox, once for each that was accepted."""
        try:
            self._environment.need_store()
        except Skipped:
            return
        stored = await self._environment.stored(self._made)
        for mark in self._accepted:
            count = sum(mark in text for text in stored)
            require(count == 1, f"one copy of {mark.decode('ascii')!r} in the mailbox", count)

    _steps: dict[str, Callable[[RandomSmtp, Step], Awaitable[None]]] = {
        "hello": _hello,
        "mail": _mail,
        "rcpt": _rcpt,
        "data": _data,
        "rset": _rset,
        "noop": _noop,
        "unknown": _unknown,
        "quit": _quit,
    }
