"""Random IMAP sessions on two mailboxes: the commands, and what the model says of each.

Commands run one after another, each in one of several sessions, so that the model always knows
what a server has to answer. At a checkpoint every session sends NOOP, and then all of them must
know the same messages, numbers, UIDs and flags.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ...protocols.imap.uid_sets import uid_set
from ..imap.environment import ImapEnvironment
from ..imap.responses import Answer, octets_of
from ..imap.session import ImapSession, Literal, quoted
from ..verdicts import Broken, require
from .imap_model import FLAGS, Box, Mail, View, number_of
from .scripts import Failure, Step, draw_script, shortest

WEIGHTS = {
    "append": 20,
    "fetch": 15,
    "store": 20,
    "search": 10,
    "copy": 10,
    "move": 5,
    "expunge": 8,
    "uid-expunge": 3,
    "noop": 10,
    "reselect": 4,
    "checkpoint": 5,
}
"""How often each kind of step is drawn."""


class RandomImap:
    """Several sessions with one mailbox, and a second mailbox that COPY and MOVE lead to."""

    def __init__(self, environment: ImapEnvironment, connections: int) -> None:
        self._environment = environment
        self._connections = connections
        self._made = 0

    async def run(self, seed: int, steps: int) -> Failure | None:
        """Play a script; return the shortest one that fails, or None."""
        script = draw_script(seed, steps, self._connections, WEIGHTS)
        failure = await self.play([*script, Step("checkpoint", 0, (0, 0, 0))])
        return await shortest(failure, self.play) if failure else None

    async def play(self, script: Sequence[Step]) -> Failure | None:
        """Play one script on new mailboxes; return its failure."""
        await self._begin()
        done: list[Step] = []
        try:
            for step in script:
                done.append(step)
                await self._steps[step.kind](self, step)
        except Broken as broken:
            return Failure(done, broken)
        finally:
            await self._environment.close()
        return None

    async def _begin(self) -> None:
        environment = self._environment
        self._sessions = [await environment.log_in() for _ in range(self._connections)]
        first = self._sessions[0]
        self._announced = await environment.capabilities(first)
        self._box = Box(await environment.mailbox(first, last=b"random"))
        self._target = Box(await environment.mailbox(first, last=b"target"))
        self._views: list[View] = []
        for session in self._sessions:
            await session.ok(b"SELECT " + quoted(self._box.name))
            self._views.append(View(self._box))

    def _at(self, step: Step) -> tuple[ImapSession, View]:
        return self._sessions[step.session], self._views[step.session]

    def _chosen(self, step: Step, view: View) -> list[int]:
        """Return the numbers of one to three messages that are not expunged."""
        existing = view.existing()
        if not existing:
            return []
        first = step.draws[0] % len(existing)
        return existing[first : first + 1 + step.draws[1] % 3]

    # Steps

    async def _append(self, step: Step) -> None:
        session, view = self._at(step)
        self._made += 1
        name = b"<random-%d@conformance.example>" % self._made
        flags = {flag for bit, flag in enumerate(FLAGS) if step.draws[0] >> bit & 1}
        text = b"Message-ID: " + name + b"\r\nSubject: random\r\n\r\nNumber %d.\r\n" % self._made
        listed = b" ".join(sorted(flags))
        mail = Mail(name, flags)
        self._box.mail.append(mail)
        answer = await session.ok(
            b"APPEND " + quoted(self._box.name) + b" (%b) " % listed, Literal(text)
        )
        view.hear(answer, may_expunge=True)
        if answer.code and answer.code.name == b"APPENDUID":
            uid = answer.code.arguments.rpartition(b" ")[2]
            require(uid.isdigit(), "APPENDUID with one UID", answer.tagged.line)
            self._box.learn_uid(mail, int(uid))

    async def _fetch(self, step: Step) -> None:
        session, view = self._at(step)
        if not (numbers := self._chosen(step, view)):
            return
        answer = await session.ok(
            b"FETCH %b (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])" % uid_set(numbers)
        )
        view.hear(answer, may_expunge=False)
        fetched = answer.fetched()
        for number in numbers:
            mail = view.mail[number - 1]
            items = fetched.get(number, {})
            require(b"UID" in items, f"UID of message {number}", items)
            headers = [value for name, value in items.items() if name.startswith(b"BODY[HEADER")]
            found = octets_of(headers[0]) if headers else b""
            require(mail.name in found, f"message {number} to be {mail.name!r}", found)

    async def _store(self, step: Step) -> None:
        session, view = self._at(step)
        if not (numbers := self._chosen(step, view)):
            return
        flags = {FLAGS[step.draws[2] % len(FLAGS)], FLAGS[step.draws[1] % len(FLAGS)]}
        sign = (b"+", b"-", b"")[step.draws[2] % 3]
        for number in numbers:
            mail = view.mail[number - 1]
            mail.flags = after_store(mail.flags, sign, flags)
        listed = b" ".join(sorted(flags))
        answer = await session.ok(b"STORE %b %bFLAGS (%b)" % (uid_set(numbers), sign, listed))
        view.hear(answer, may_expunge=False)

    async def _search(self, step: Step) -> None:
        session, view = self._at(step)
        flag = FLAGS[step.draws[0] % len(FLAGS)]
        negated = step.draws[1] % 2
        key = (b"UN" if negated else b"") + flag[1:].upper()
        known = set(view.existing())
        answer = await session.ok(b"SEARCH " + key)
        view.hear(answer, may_expunge=False)
        found = {int(word) for line in answer.all(b"SEARCH") for word in line.text.split()}
        existing = set(view.existing())
        right = {n for n in existing if (flag in view.mail[n - 1].flags) != bool(negated)}
        # A message that the session hears of in this answer may have come after the search.
        expected = f"SEARCH {key.decode('ascii')} to find {sorted(right & known)}"
        require(right & known <= found & existing <= right, expected, sorted(found))

    async def _copy(self, step: Step) -> None:
        await self._transfer(step, b"COPY")

    async def _move(self, step: Step) -> None:
        if b"MOVE" in self._announced:
            await self._transfer(step, b"MOVE")

    async def _transfer(self, step: Step, verb: bytes) -> None:
        session, view = self._at(step)
        if not (numbers := self._chosen(step, view)):
            return
        taken = [view.mail[number - 1] for number in numbers]
        self._target.mail += [Mail(mail.name, set(mail.flags)) for mail in taken]
        if verb == b"MOVE":
            self._box.expunge(taken)
        answer = await session.ok(b"%b %b " % (verb, uid_set(numbers)) + quoted(self._target.name))
        view.hear(answer, may_expunge=True)

    async def _expunge(self, step: Step) -> None:
        session, view = self._at(step)
        self._box.expunge([mail for mail in self._box.mail if rb"\Deleted" in mail.flags])
        view.hear(await session.ok(b"EXPUNGE"), may_expunge=True)

    async def _uid_expunge(self, step: Step) -> None:
        session, view = self._at(step)
        uids = [view.mail[number - 1] for number in self._chosen(step, view)]
        named = [mail for mail in uids if mail.uid]
        if b"UIDPLUS" not in self._announced or not named:
            return
        self._box.expunge([mail for mail in named if rb"\Deleted" in mail.flags])
        answer = await session.ok(b"UID EXPUNGE " + uid_set(mail.uid for mail in named))
        view.hear(answer, may_expunge=True)

    async def _noop(self, step: Step) -> None:
        session, view = self._at(step)
        view.hear(await session.ok(b"NOOP"), may_expunge=True)

    async def _reselect(self, step: Step) -> None:
        session, _ = self._at(step)
        answer = await session.ok(b"SELECT " + quoted(self._box.name))
        count = answer.one(b"EXISTS").number
        require(count == len(self._box.mail), f"{len(self._box.mail)} EXISTS", count)
        self._views[step.session] = View(self._box)

    # Checkpoints

    async def _checkpoint(self, step: Step) -> None:
        """Let every session hear all news, and compare what each of them sees."""
        for session, view in zip(self._sessions, self._views, strict=True):
            view.hear(await session.ok(b"NOOP"), may_expunge=True)
            view.check_is_whole()
            answer = await session.ok(b"UID FETCH 1:* (FLAGS)")
            view.hear(answer, may_expunge=True)
            self._compare(answer, self._box)
        await self._check_target()

    def _compare(self, answer: Answer, box: Box) -> None:
        fetched = answer.fetched()
        numbers = sorted(fetched)
        wanted = list(range(1, len(box.mail) + 1))
        require(numbers == wanted, f"FETCH responses for {len(box.mail)} messages", numbers)
        uids = [number_of(fetched[number].get(b"UID")) for number in numbers]
        require(uids == sorted(set(uids)), "UIDs that ascend", uids)
        for mail, uid in zip(box.mail, uids, strict=True):
            box.learn_uid(mail, uid)

    async def _check_target(self) -> None:
        """Compare the mailbox that messages were copied and moved to."""
        session, box = self._sessions[0], self._target
        answer = await session.ok(b"STATUS %b (MESSAGES UNSEEN)" % quoted(box.name))
        items = answer.one(b"STATUS").items
        count, unseen = number_of(items.get(b"MESSAGES")), number_of(items.get(b"UNSEEN"))
        require(count == len(box.mail), f"{len(box.mail)} messages in the target", count)
        expected = sum(rb"\Seen" not in mail.flags for mail in box.mail)
        require(unseen == expected, f"{expected} unseen messages in the target", unseen)

    _steps: dict[str, Callable[[RandomImap, Step], Awaitable[None]]] = {
        "append": _append,
        "fetch": _fetch,
        "store": _store,
        "search": _search,
        "copy": _copy,
        "move": _move,
        "expunge": _expunge,
        "uid-expunge": _uid_expunge,
        "noop": _noop,
        "reselect": _reselect,
        "checkpoint": _checkpoint,
    }


def after_store(flags: set[bytes], sign: bytes, named: set[bytes]) -> set[bytes]:
    """Return the flags of a message after STORE."""
    if sign == b"+":
        return flags | named
    return flags - named if sign == b"-" else set(named)
