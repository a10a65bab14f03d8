"""The order of steps, cut at every step, with a source, a sink and a ledger made of lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from mailhaul.flows import verdicts
from mailhaul.flows.account import Account, Action, OnRetrieveError
from mailhaul.flows.channel import Channel
from mailhaul.flows.ferry import Ferry
from mailhaul.flows.ledger import Acceptance, Compared, Offer, Pending, Undelivered
from mailhaul.flows.outcome import (
    CutOff,
    ExitCode,
    Failures,
    Outcome,
    PollFailed,
    SinkUnavailable,
    Tally,
    Verdict,
)
from mailhaul.flows.report import Event, Handled
from mailhaul.flows.requests import Call, Sleep, TimedOut, Wait
from mailhaul.flows.sink import Parcel
from mailhaul.flows.source import (
    CompletionProof,
    Listed,
    MessageChunk,
    MessageEnd,
    MessageStart,
    Part,
    Uid,
    Unavailable,
)
from mailhaul.protocols.errors import ConnectionLost, RemoteProtocolError


class Cut(BaseException):
    """The process is killed here."""


@dataclass
class World:
    """The state that survives a kill: server, sink and ledger; and the steps, in order."""

    log: list[tuple[str, Uid]] = field(default_factory=list)
    delivered: list[Uid] = field(default_factory=list)
    server: list[Uid] = field(default_factory=lambda: [1, 2, 3])
    rows: dict[Uid, str] = field(default_factory=dict)
    durable: set[Uid] = field(default_factory=set)
    cut_at: int = -1
    steps: int = 0
    failures: Failures = field(default_factory=lambda: Failures(0, 0))

    def step(self, what: str, uid: Uid = 0) -> None:
        self.steps += 1
        if self.steps == self.cut_at:
            raise Cut
        self.log.append((what, uid))


class Script:
    """A source with scripted messages."""

    remembers = True
    reuses_uids = False
    expunges_all = False
    in_sessions = False
    deletes_on_retrieval = False
    settles_at_close = refused_at_close = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.channel: Channel[Any] = Channel("server", None)
        self.timeout = 1.0
        self.total = 3
        self.parts: deque[Part | Exception] = deque()
        self.done: dict[Action, list[Uid]] = {action: [] for action in Action}
        self.replace: dict[Uid, list[Part | Exception]] = {}

    def request(self, message: Listed) -> None:
        uid = message.uid
        usual: list[Part | Exception] = [
            MessageStart(uid, int(uid), 10),
            MessageChunk(b"A: b\n\n"),
            MessageChunk(b"body"),
            MessageEnd(CompletionProof(uid, 10), 10),
        ]
        self.parts.extend(self.replace.get(uid, usual))

    def pull(self) -> Part | None:
        if not self.parts:
            return None
        part = self.parts.popleft()
        if isinstance(part, Exception):
            raise part
        return part

    def perform(self, action: Action, uids: Sequence[Uid]) -> None:
        for uid in uids:
            self.world.step(action.value, uid)
            if action is Action.DELETE:
                self.world.server.remove(uid)
            self.done[action].append(uid)

    def confirmed(self, action: Action) -> Sequence[Uid]:
        done, self.done[action] = self.done[action], []
        return done

    async def finish(self, *, may_close: bool = False) -> None:
        self.world.step("finish")

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    octets: int | None = None

    async def mailboxes(self, wanted: Sequence[str], elsewhere: Sequence[str] = ()) -> Any: ...
    async def select(self, mailbox: str, *, read_only: bool) -> Any: ...

    async def new(self, *, everything: bool, with_flags: bool = False) -> Sequence[Listed]:
        return []

    async def old(self) -> Sequence[Listed]:
        return []

    async def sizes(self, uids: Sequence[Uid]) -> dict[Uid, int]:
        return {}

    async def headers(self, uids: Sequence[Uid], fields: Sequence[bytes] = ()) -> dict[Uid, bytes]:
        return {}

    async def arrived_since(self, date: bytes) -> None: ...

    async def contents(self, uids: Sequence[Uid]) -> dict[Uid, bytes]:
        return {}

    async def levels(self, mailbox: str) -> tuple[bytes, ...]:
        return ()


class Shelf:
    """A sink that accepts completed messages, unless a test sets another verdict."""

    keeps_return_path = False
    finds_offers = False
    lanes = 1
    gathers = False
    domain = "localhost"

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[Uid, Outcome] = {}
        self.refuse_early: set[Uid] = set()
        self.unavailable_from = 99
        self.offers = 0

    async def open(self) -> None: ...

    async def offer(self, parcel: Parcel) -> Shelved:
        self.offers += 1
        if self.offers >= self.unavailable_from:
            raise SinkUnavailable("nobody listens")
        self.world.step("offer", self.offers)
        return Shelved(self, self.offers)

    def listening(self) -> Sequence[Channel[Any]]:
        return []

    async def hear_any(self) -> bool:
        return False

    async def close(self) -> None: ...


class Shelved:
    def __init__(self, shelf: Shelf, number: int) -> None:
        self.shelf = shelf
        self.number = number
        self.text = b""
        self.verdict: Outcome | None = None

    async def ready(self) -> bool:
        if self.number in self.shelf.refuse_early:
            self.verdict = Outcome(Verdict.REFUSED, "550 no")
        return self.verdict is None

    async def feed(self, data: bytes) -> None:
        assert self.verdict is None
        self.text += data

    async def complete(self, proof: CompletionProof) -> None:
        assert isinstance(proof, CompletionProof)
        self.shelf.world.step("complete", self.number)
        answer = self.shelf.answers.get(self.number, Outcome(Verdict.ACCEPTED))
        if answer.accepted:
            self.shelf.world.delivered.append(self.number)
        self.verdict = answer

    async def outcome(self) -> Outcome:
        await Sleep(0)
        assert self.verdict is not None
        return self.verdict

    def known_outcome(self) -> Outcome | None:
        return self.verdict

    async def abandon(self) -> None:
        self.shelf.world.log.append(("abandon", self.number))

    def release(self) -> None:
        self.shelf.world.log.append(("let go", self.number))


class GatheringShelf(Shelf):
    """A sink that accepts completed messages together, when the verdict on one is awaited."""

    lanes = 50
    gathers = True

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.complete: list[Gathered] = []

    async def offer(self, parcel: Parcel) -> Shelved:
        self.offers += 1
        self.world.step("offer", self.offers)
        return Gathered(self, self.offers)


class Gathered(Shelved):
    shelf: GatheringShelf

    async def complete(self, proof: CompletionProof) -> None:
        self.shelf.complete.append(self)

    async def outcome(self) -> Outcome:
        for one in self.shelf.complete:
            await Shelved.complete(one, CompletionProof(0, 0))
        self.shelf.complete.clear()
        return await super().outcome()


class Rows:
    """A ledger page whose rows survive a kill."""

    def __init__(self, world: World) -> None:
        self.world = world

    uidvalidity = 1
    is_new = False
    was_put_off = is_renumbered = False
    contents: Mapping[Uid, bytes] = {}

    def retention(self) -> Any: ...

    def reading(self) -> Any: ...

    def mark_compared(self) -> None: ...

    def put_off(self) -> None: ...

    def compare(self, listed: Sequence[Listed]) -> Compared:
        return Compared(tuple(listed), (), 0)

    def fingerprints(self, uids: Sequence[Uid]) -> Mapping[Uid, bytes]:
        return {}

    def count_seen(self) -> int:
        return 0

    def mark_seen(self, messages: Sequence[Listed]) -> None:
        for message in messages:
            self.world.step("seen", message.uid)
            self.world.rows[message.uid] = "seen"

    def keep_only(self, listing: Iterable[Sequence[Uid]]) -> None: ...

    def pending(self) -> Sequence[Pending]:
        return []

    def count_tries(self, uids: Sequence[Uid], count: int) -> None: ...

    def reserve(self, messages: Sequence[Listed]) -> Mapping[Uid, Offer]:
        self.world.step("reserve")
        return {message.uid: self.named(message.uid) for message in messages}

    def offer(self, uid: Uid, size: int) -> Offer:
        raise AssertionError("each message had a name before it was asked for")

    def named(self, uid: Uid) -> Offer:
        self.world.rows[uid] = "offered"
        return Offer(f"offer {uid!r}", False)

    def accept(self, accepted: Sequence[Acceptance]) -> None:
        for one in accepted:
            self.world.step("accepted", one.uid)
            self.world.rows[one.uid] = "accepted"

    def delete_unread(self, messages: Sequence[Listed]) -> None:
        raise AssertionError("a ferry deletes nothing that was not delivered")

    def set_fingerprints(self, fingerprints: Mapping[Uid, bytes]) -> None: ...

    def reject(self, uid: Uid, size: int, outcome: Outcome, fingerprint: bytes = b"") -> Failures:
        self.world.step("rejected", uid)
        self.world.rows[uid] = "rejected"
        return self.world.failures

    def unreadable(self, uid: Uid, size: int, why: str, *, counted: bool = True) -> Failures:
        return self.world.failures

    def set_aside(self, uid: Uid) -> None:
        self.world.step("set aside", uid)

    def undelivered(self) -> Sequence[Undelivered]:
        return []

    def make_durable(self) -> None:
        self.world.step("durable")
        self.world.durable |= {u for u, state in self.world.rows.items() if state == "accepted"}

    def forget(self, uids: Sequence[Uid]) -> None:
        for uid in uids:
            self.world.step("settled", uid)
            self.world.rows.pop(uid, None)


class Passing:
    """A packer that changes nothing."""

    header_octets = 6
    memory = 0
    fingerprint = b""
    served_before = False

    def __init__(self, _: Any) -> None:
        self.ready = False
        self.data = b""

    def scan(self, data: bytes) -> None:
        self.data += data
        self.ready = b"\n\n" in self.data

    def scan_end(self) -> None:
        self.ready = True

    async def parcel(self, size: int, offer: Offer, domain: str | None = None) -> Parcel:
        who = (b"joe@localhost",)
        return Parcel(b"a@example.org", who, self.data, size, offer.name, offer.again)

    def beginning(self) -> bytes:
        return b""

    def convert(self, data: bytes) -> bytes:
        return data

    def end(self) -> bytes:
        return b""


def drive(flow: Coroutine[Any, Any, None]) -> None:
    """Answer the requests of a ferry at once. Where it waits for a peer, nothing comes in time."""
    answer: Any = None
    late: TimedOut | None = None
    while True:
        try:
            request = flow.throw(late) if late else flow.send(answer)
        except StopIteration:
            return
        late = TimedOut(request.timeout) if isinstance(request, Wait) else None
        answer = request.work() if isinstance(request, Call) else 0.0


@dataclass
class Stage:
    world: World
    source: Script
    sink: Shelf
    events: list[Event]
    tally: Tally
    keep: bool = False
    expunge: int = 0
    retrieve_error: OnRetrieveError = OnRetrieveError.CONTINUE
    stopping: bool = False

    def run(self, uids: Sequence[int] = (1, 2, 3)) -> None:
        account = Account(
            "imap joe@server",
            "joe",
            "server",
            "server",
            keep=self.keep,
            expunge=self.expunge,
            retrieve_error=self.retrieve_error,
        )
        ferry = Ferry(
            account,
            self.source,
            self.sink,
            Rows(self.world),
            Passing,  # type: ignore[arg-type]  # the packer's face is all that counts here
            self.events.append,
            self.tally,
            by_ledger=not self.source.remembers,
            stopping=lambda: self.stopping,
        )
        drive(ferry.run([Listed(uid) for uid in uids], 3))


@pytest.fixture
def stage() -> Stage:
    world = World()
    return Stage(world, Script(world), Shelf(world), [], Tally())


def test_nothing_is_deleted_before_the_ledger_is_durable(stage: Stage) -> None:
    stage.run()
    steps = [what for what, _ in stage.world.log]
    assert steps.index("durable") < steps.index("delete")
    assert stage.world.delivered == [1, 2, 3]
    assert stage.world.server == []
    assert stage.world.rows == {}


def test_the_envelope_of_the_next_message_goes_before_the_verdict_on_the_last(
    stage: Stage,
) -> None:
    stage.run()
    log = stage.world.log
    assert log.index(("complete", 1)) < log.index(("offer", 2)) < log.index(("accepted", 1))
    assert log.index(("accepted", 1)) < log.index(("complete", 2))


def cut_points() -> int:
    world = World()
    Stage(world, Script(world), Shelf(world), [], Tally()).run()
    return world.steps


@pytest.mark.parametrize("step", range(1, cut_points() + 1))
@pytest.mark.parametrize("expunge", [0, 1, 2])
@pytest.mark.parametrize(("shelf", "lanes"), [(Shelf, 1), (GatheringShelf, 2), (GatheringShelf, 3)])
def test_a_kill_at_any_step_loses_nothing_and_leaves_few_verdicts_unknown(
    step: int, expunge: int, shelf: type[Shelf], lanes: int
) -> None:
    world = World(cut_at=step)
    stage = Stage(world, Script(world), shelf(world), [], Tally(), expunge=expunge)
    stage.sink.lanes = lanes
    with pytest.raises(Cut):
        stage.run()
    for uid in (1, 2, 3):
        assert uid in world.delivered or uid in world.server
        if uid not in world.server:
            assert uid in world.durable
    doubtful = [uid for uid in world.delivered if world.rows.get(uid) == "offered"]
    assert len(doubtful) <= min(lanes, expunge or lanes)


@pytest.mark.parametrize("where", range(5))
def test_a_source_that_fails_completes_no_incomplete_message(stage: Stage, where: int) -> None:
    parts: list[Part | Exception] = [
        MessageStart(2, 2, 10),
        MessageChunk(b"A: b\n\n"),
        MessageChunk(b"body"),
        MessageEnd(CompletionProof(2, 10), 10),
    ]
    stage.source.replace[2] = [*parts[:where], ConnectionLost("gone")]
    with pytest.raises(CutOff) as caught:
        stage.run()
    complete = where == 4
    assert stage.world.delivered == ([1, 2] if complete else [1])
    assert stage.world.rows[1] == "accepted"
    assert 1 in stage.world.durable
    assert stage.world.server == [1, 2, 3]
    # A connection that breaks before the text has begun broke at the request.
    message = caught.value.message
    assert message
    assert message.uid == (3 if complete else 2)
    assert (("abandon", 2) in stage.world.log) == (2 <= where < 4)


def test_a_message_that_is_gone_does_not_stop_the_others(stage: Stage) -> None:
    stage.source.replace[2] = [Unavailable(2, "it is gone")]
    stage.run()
    assert stage.world.server == [2]
    tally = stage.tally
    assert (tally.read, tally.accepted, tally.unreadable) == (2, 2, 1)


@pytest.mark.parametrize("remembers", [True, False])
def test_with_markseen_an_unreadable_message_is_not_requested_again(
    stage: Stage, remembers: bool
) -> None:
    stage.retrieve_error = OnRetrieveError.MARKSEEN
    stage.source.remembers = remembers
    stage.source.replace[2] = [Unavailable(2, "it is broken")]
    stage.run()
    assert stage.world.server == [2]
    assert (("mark", 2) in stage.world.log) == remembers
    assert (("seen", 2) in stage.world.log) != remembers


def test_with_abort_an_unreadable_message_ends_the_poll_after_the_accepted_ones(
    stage: Stage,
) -> None:
    stage.retrieve_error = OnRetrieveError.ABORT
    stage.source.replace[2] = [Unavailable(2, "it is broken")]
    with pytest.raises(PollFailed, match="message 2 cannot be read: it is broken"):
        stage.run()
    assert stage.world.delivered == [1]
    assert stage.world.durable == {1}


def test_a_message_that_the_server_breaks_off_with_no_is_given_up(stage: Stage) -> None:
    stage.source.replace[2] = [
        MessageStart(2, 2, 10),
        MessageChunk(b"A: b\n\nbo"),
        Unavailable(2, "cannot read"),
    ]
    stage.run()
    assert ("abandon", 2) in stage.world.log
    assert ("complete", 2) not in stage.world.log
    assert stage.world.server == [2]


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.POSTPONED])
def test_a_message_that_is_not_accepted_stays_and_the_others_are_delivered(
    stage: Stage, verdict: Verdict
) -> None:
    stage.sink.answers[2] = Outcome(verdict, "no")
    stage.run()
    assert stage.world.server == [2]
    assert stage.world.rows == {2: "rejected"}
    assert [e.flushed for e in stage.events if isinstance(e, Handled)] == [True, False, True]


def test_after_a_refusal_before_the_text_the_text_is_read_and_discarded(stage: Stage) -> None:
    stage.sink.refuse_early = {1}
    stage.run()
    assert ("complete", 1) not in stage.world.log
    assert stage.world.server == [1]


def test_a_sink_that_goes_away_leaves_what_it_accepted_in_the_ledger(stage: Stage) -> None:
    stage.sink.unavailable_from = 2
    with pytest.raises(SinkUnavailable):
        stage.run()
    assert stage.world.durable == {1}
    assert stage.world.server == [1, 2, 3]


def test_keep_marks_and_deletes_nothing(stage: Stage) -> None:
    stage.keep = True
    stage.run()
    steps = [what for what, _ in stage.world.log]
    assert steps.count("mark") == 3
    assert "delete" not in steps


def test_for_a_sink_that_finds_offers_the_name_is_durable_before_the_offer(stage: Stage) -> None:
    stage.sink.finds_offers = True
    stage.run()
    steps = [what for what, _ in stage.world.log]
    assert steps[:3] == ["reserve", "durable", "offer"]


def test_a_message_that_is_requested_again_comes_after_the_others(stage: Stage) -> None:
    stage.source.replace[1] = [
        MessageStart(1, 1, 10),
        MessageChunk(b"A:"),
        Unavailable(1, "cut", again=True),
    ]
    request = stage.source.request

    def request_twice(message: Listed) -> None:
        request(message)
        stage.source.replace.pop(message.uid, None)

    stage.source.request = request_twice  # type: ignore[method-assign]  # the second way is whole
    stage.run()
    assert stage.world.server == []
    assert [what for what, _ in stage.world.log].count("complete") == 3


def test_a_stopping_program_requests_no_message_and_does_not_wait(stage: Stage) -> None:
    stage.stopping = True
    stage.run()
    assert stage.world.delivered == []
    assert stage.world.server == [1, 2, 3]


def test_expunge_settles_as_often_as_the_user_asks(stage: Stage) -> None:
    stage.expunge = 1
    stage.run()
    log = stage.world.log
    assert log.index(("delete", 1)) < log.index(("accepted", 2))


def test_a_fault_of_the_server_ends_the_mailbox_and_names_the_cause(stage: Stage) -> None:
    stage.source.replace[1] = [RemoteProtocolError("nonsense")]
    with pytest.raises(CutOff, match="nonsense"):
        stage.run()
    assert stage.world.delivered == []


@pytest.fixture
def gathering(stage: Stage) -> Stage:
    stage.sink = GatheringShelf(stage.world)
    return stage


def steps(stage: Stage, *names: str) -> list[tuple[str, Uid]]:
    return [step for step in stage.world.log if step[0] in names]


def test_gathered_messages_are_accepted_together_and_recorded_in_one_call(
    gathering: Stage,
) -> None:
    gathering.run()
    found = steps(gathering, "offer", "complete", "accepted", "durable", "delete")
    each = [1, 2, 3]
    assert found == [
        *(("offer", n) for n in each),
        *(("complete", n) for n in each),
        *(("accepted", n) for n in each),
        ("durable", 0),
        *(("delete", n) for n in each),
    ]


def test_no_more_messages_are_gathered_than_the_sink_has_lanes(gathering: Stage) -> None:
    gathering.sink.lanes = 2
    gathering.run()
    found = [number for _, number in steps(gathering, "offer", "complete")]
    assert found == [1, 2, 3, 1, 2, 3]


def test_no_more_messages_are_gathered_than_the_user_wants_expunged_together(
    gathering: Stage,
) -> None:
    gathering.expunge = 2
    gathering.run()
    assert steps(gathering, "accepted", "durable") == [
        ("accepted", 1),
        ("accepted", 2),
        ("durable", 0),
        ("accepted", 3),
        ("durable", 0),
    ]


def test_the_octets_that_wait_for_a_verdict_are_bounded(
    gathering: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "MAX_WAITING_OCTETS", 15)
    gathering.run()
    found = [number for _, number in steps(gathering, "offer", "complete")]
    assert found == [1, 2, 3, 1, 2, 3]


def test_gathered_messages_are_stored_when_nothing_more_comes(gathering: Stage) -> None:
    pull = gathering.source.pull
    waited: list[int] = []

    def pull_late() -> Part | None:
        is_new = isinstance(next(iter(gathering.source.parts), None), MessageStart)
        if is_new and len(gathering.world.delivered) < len(waited):
            return None
        if is_new:
            waited.append(1)
        return pull()

    gathering.source.pull = pull_late  # type: ignore[method-assign]  # a slow source
    gathering.run()
    found = [number for _, number in steps(gathering, "offer", "complete")]
    assert found == [1, 1, 2, 2, 3, 3]


def test_verdicts_are_saved_when_the_source_fails_while_messages_are_gathered(
    gathering: Stage,
) -> None:
    gathering.source.replace[3] = [ConnectionLost("gone")]
    with pytest.raises(CutOff):
        gathering.run()
    assert gathering.world.durable == {1, 2}


def test_after_a_failure_of_the_sink_the_gathered_messages_are_released(
    gathering: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Gathered) -> Outcome:
        raise PollFailed(ExitCode.IOERR, "disk full")

    monkeypatch.setattr(Gathered, "outcome", fail)
    with pytest.raises(PollFailed, match="disk full"):
        gathering.run()
    assert steps(gathering, "let go") == [("let go", 1), ("let go", 2), ("let go", 3)]
    assert gathering.world.server == [1, 2, 3]


def test_fingerprints_of_gathered_messages_are_recorded_before_the_sink_takes_them(
    gathering: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(self: Rows, fingerprints: Mapping[Uid, bytes]) -> None:
        for uid in fingerprints:
            self.world.step("fingerprint", uid)

    monkeypatch.setattr(Rows, "set_fingerprints", record)
    monkeypatch.setattr(Passing, "fingerprint", b"fields")
    gathering.source.reuses_uids = True
    gathering.run()
    found = steps(gathering, "fingerprint", "complete")
    assert [what for what, _ in found] == ["fingerprint"] * 3 + ["complete"] * 3


def test_a_message_that_its_server_has_deleted_waits_for_no_other(gathering: Stage) -> None:
    gathering.source.deletes_on_retrieval = True
    gathering.run()
    found = [number for _, number in steps(gathering, "offer", "complete")]
    assert found == [1, 2, 1, 3, 2, 3]


def test_a_uid_that_is_listed_twice_is_offered_again_only_after_its_verdict(
    gathering: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offer(self: Rows, uid: Uid, size: int) -> Offer:
        assert self.world.rows[uid] == "accepted"
        return self.named(uid)

    monkeypatch.setattr(Rows, "offer", offer)
    gathering.keep = True
    gathering.run([1, 2, 1])
    assert steps(gathering, "accepted") == [("accepted", 1), ("accepted", 2), ("accepted", 1)]
