"""Random POP3 sessions on one maildrop: the commands, and what the model says of each.

The model knows which messages the maildrop holds, with their numbers, sizes and unique ids, and
which are marked as deleted. A session ends by QUIT, which removes them, or by a broken connection,
which does not (RFC 1939, section 6).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ..pop3.messages import message
from ..pop3.session import Pop3Environment, Pop3Session, Reply, read_numbers
from ..verdicts import Broken, require
from .scripts import Failure, Step, draw_script, shortest

WEIGHTS = {
    "stat": 10,
    "list": 8,
    "list-one": 10,
    "uidl": 6,
    "uidl-one": 6,
    "retr": 12,
    "top": 8,
    "dele": 14,
    "rset": 4,
    "noop": 4,
    "quit": 6,
    "drop": 4,
}
"""How often each kind of step is drawn."""
MESSAGES = 6
"""Messages in the maildrop at the beginning."""


@dataclass(eq=False)
class Kept:
    """A message of the maildrop; ``uid`` is b"" until the server has told it."""

    text: bytes
    uid: bytes = b""


class RandomPop3:
    """Sessions with one maildrop, one after another."""

    def __init__(self, environment: Pop3Environment) -> None:
        self._environment = environment

    async def run(self, seed: int, steps: int) -> Failure | None:
        """Play a script; return the shortest one that fails, or None."""
        script = draw_script(seed, steps, 1, WEIGHTS)
        failure = await self.play(script)
        return await shortest(failure, self.play) if failure else None

    async def play(self, script: Sequence[Step]) -> Failure | None:
        """Play one script on a new maildrop; return its failure."""
        texts = [message(f"random {n}", b"line\r\n" * n + b".\r\n") for n in range(MESSAGES)]
        await self._environment.store.fill(self._environment.user, texts)
        self._kept = [Kept(text) for text in texts]
        done: list[Step] = []
        try:
            await self._log_in()
            for step in script:
                done.append(step)
                await self._steps[step.kind](self, step)
        except Broken as broken:
            return Failure(done, broken)
        finally:
            await self._environment.close()
        return None

    async def _log_in(self) -> None:
        self._session: Pop3Session = await self._environment.log_in()
        self._deleted: set[int] = set()

    def _left(self) -> list[tuple[int, Kept]]:
        """Return the messages that are not marked as deleted, by number."""
        numbered = enumerate(self._kept, 1)
        return [(number, kept) for number, kept in numbered if number not in self._deleted]

    def _number(self, step: Step) -> int:
        """Return a number that may be that of a message, of a deleted one, or of none."""
        return 1 + step.draws[0] % (len(self._kept) + 1)

    async def _of_one(self, verb: bytes, number: int, *, many: bool = False) -> Reply | None:
        """Send a command about one message; return the reply, None if it is rightly refused."""
        line = b"%b %d" % (verb, number)
        if number > len(self._kept) or number in self._deleted:
            await self._session.negative(line, many=many)
            return None
        return await self._session.positive(line, many=many)

    # Steps

    async def _stat(self, step: Step) -> None:
        count, octets = read_numbers(await self._session.positive(b"STAT"), 2)
        left = self._left()
        require(count == len(left), f"{len(left)} messages", count)
        size = sum(len(kept.text) for _, kept in left)
        require(octets == size, f"{size} octets", octets)

    async def _list(self, step: Step) -> None:
        reply = await self._session.positive(b"LIST", many=True)
        expected = [b"%d %d" % (number, len(kept.text)) for number, kept in self._left()]
        listed = [b" ".join(line.split(b" ")[:2]) for line in reply.lines]
        require(listed == expected, f"the lines {expected}", reply.lines)

    async def _list_one(self, step: Step) -> None:
        number = self._number(step)
        if reply := await self._of_one(b"LIST", number):
            expected = [number, len(self._kept[number - 1].text)]
            require(read_numbers(reply, 2) == expected, f"{expected}", reply.line)

    async def _uidl(self, step: Step) -> None:
        reply = await self._session.positive(b"UIDL", many=True)
        left = self._left()
        require(len(reply.lines) == len(left), f"{len(left)} lines", reply.lines)
        for (number, kept), line in zip(left, reply.lines, strict=True):
            self._learn(number, kept, line)

    async def _uidl_one(self, step: Step) -> None:
        number = self._number(step)
        if reply := await self._of_one(b"UIDL", number):
            self._learn(number, self._kept[number - 1], reply.text)

    def _learn(self, number: int, kept: Kept, line: bytes) -> None:
        first, _, uid = line.partition(b" ")
        require(first == b"%d" % number, f"the number {number}", line)
        others = {other.uid for other in self._kept if other is not kept}
        require(uid and uid not in others, "a unique id that no other message has", line)
        require(uid == (kept.uid or uid), f"the unique id {kept.uid!r} as before", uid)
        kept.uid = uid

    async def _retr(self, step: Step) -> None:
        number = self._number(step)
        if reply := await self._of_one(b"RETR", number, many=True):
            text = self._kept[number - 1].text
            require(reply.body == text, f"message {number} as it was stored", reply.body)

    async def _top(self, step: Step) -> None:
        number, lines = self._number(step), step.draws[1] % 4
        session, line = self._session, b"TOP %d %d" % (number, lines)
        if number > len(self._kept) or number in self._deleted:
            await session.negative(line, many=True)
            return
        reply = await session.command(line, many=True)
        if reply.err:
            # TOP is optional (RFC 1939, section 7).
            return
        header, _, body = self._kept[number - 1].text.partition(b"\r\n\r\n")
        first = b"".join(body.splitlines(keepends=True)[:lines])
        expected = header + b"\r\n\r\n" + first
        require(reply.body == expected, f"the header and {lines} lines", reply.body)

    async def _dele(self, step: Step) -> None:
        number = self._number(step)
        if await self._of_one(b"DELE", number):
            self._deleted.add(number)

    async def _rset(self, step: Step) -> None:
        await self._session.positive(b"RSET")
        self._deleted.clear()

    async def _noop(self, step: Step) -> None:
        await self._session.positive(b"NOOP")

    async def _quit(self, step: Step) -> None:
        await self._session.positive(b"QUIT")
        self._kept = [kept for _, kept in self._left()]
        await self._environment.close()
        await self._log_in()

    async def _drop(self, step: Step) -> None:
        await self._environment.close()
        await self._log_in()

    _steps: dict[str, Callable[[RandomPop3, Step], Awaitable[None]]] = {
        "stat": _stat,
        "list": _list,
        "list-one": _list_one,
        "uidl": _uidl,
        "uidl-one": _uidl_one,
        "retr": _retr,
        "top": _top,
        "dele": _dele,
        "rset": _rset,
        "noop": _noop,
        "quit": _quit,
        "drop": _drop,
    }
