"""Several APPENDs under way: round trips, order, and what follows when one of them goes wrong."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest

from mailhaul.adapters.sinks.imap_append import ImapAppendSink
from mailhaul.flows.outcome import ExitCode, Verdict
from mailhaul.protocols.imap.commands import Append, CreateMailbox, Select, UidFetch, UidSearch
from mailhaul.protocols.imap.events import Code, Condition
from mailhaul.runtimes.simulated import Killed, Simulation
from mailhaul.servers.imap import Hangup
from mailhaul.servers.mailboxes import Mailbox
from tests.adapters.sinks.test_imap_append import Answer, Target, World, make, open_spools, text

PLUS, MINUS, ASKED = (b"LITERAL+",), (b"LITERAL-",), ()
NO, BAD = Condition.NO, Condition.BAD
ROUND_TRIP = 0.05
MANY = 60
SOAK = bool(os.environ.get("MAILHAUL_SOAK"))


def make_many(folder: Path, count: int = MANY, **options: Any) -> World:
    return make(folder, *(text(n, b"x" * n + b"\r\n") for n in range(1, count + 1)), **options)


def texts(count: int = MANY) -> list[bytes]:
    return [text(n, b"x" * n + b"\r\n") for n in range(1, count + 1)]


@pytest.mark.parametrize(("capabilities", "turns"), [(PLUS, 15), (MINUS, 15), (ASKED, MANY + 15)])
def test_messages_do_not_wait_for_the_replies_to_those_before(
    tmp_path: Path, capabilities: tuple[bytes, ...], turns: int
) -> None:
    world = make_many(tmp_path, capabilities=capabilities)
    simulation = Simulation(round_trip=ROUND_TRIP)
    assert world.run(simulation) is ExitCode.SUCCESS
    assert world.stored() == texts()
    assert simulation.now / ROUND_TRIP < turns
    assert (world.asked(Select), world.asked(UidSearch)) == ([], [])


def test_a_text_above_4096_octets_waits_where_literal_minus_is_announced(tmp_path: Path) -> None:
    bodies = [b"y" * 70 + b"\r\n", (b"z" * 70 + b"\r\n") * 100, b"w\r\n"]
    mail = [text(n, body) for n, body in enumerate(bodies * 4, 1)]
    world = make(tmp_path, *mail, capabilities=MINUS)
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == mail


def test_messages_alike_in_size_date_and_flags_have_replies_of_their_own(tmp_path: Path) -> None:
    mail = [text(n) for n in range(10, 20)]
    world = make(tmp_path, *mail)
    world.answers = refuse_number(4, (NO, None))
    world.run()
    assert world.stored() == [*mail[:3], *mail[4:]]
    assert [m.text for m in world.inbox.messages] == [mail[3]]


def refuse_number(number: int, answer: Answer) -> Any:
    """Return answers that refuse the nth APPEND."""
    count = 0

    def answers(command: Any) -> Answer | None:
        nonlocal count
        count += isinstance(command, Append)
        return answer if isinstance(command, Append) and count == number else None

    return answers


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ((NO, Code(b"TOOBIG")), Verdict.REFUSED),
        ((NO, None), Verdict.POSTPONED),
        ((NO, Code(b"OVERQUOTA")), Verdict.POSTPONED),
        ((BAD, None), Verdict.REFUSED),
    ],
)
def test_a_refusal_in_the_middle_is_for_one_message(
    tmp_path: Path, answer: Answer, verdict: Verdict
) -> None:
    world = make_many(tmp_path, 20)
    world.answers = refuse_number(7, answer)
    world.run()
    kept = texts(20)[6]
    assert world.stored() == [one for one in texts(20) if one != kept]
    assert [m.text for m in world.inbox.messages] == [kept]
    assert sorted(world.outcomes, key=str)[-1][0] is verdict


def test_a_mailbox_that_is_full_ends_the_poll_after_those_under_way(tmp_path: Path) -> None:
    world = make_many(tmp_path, 80)
    count = 0

    def answers(command: Any) -> Answer | None:
        nonlocal count
        count += isinstance(command, Append)
        return (NO, Code(b"OVERQUOTA")) if isinstance(command, Append) and count > 3 else None

    world.answers = answers
    assert world.run() is ExitCode.SMTP
    assert count <= 3 + ImapAppendSink.lanes
    assert world.stored() == texts(80)[:3]
    # Those that were stored leave their server in the same poll.
    assert len(world.inbox.messages) == 77
    world.answers = lambda command: None
    assert world.run() is ExitCode.SUCCESS
    assert sorted(world.stored()) == sorted(texts(80))
    assert world.inbox.messages == []


@pytest.mark.parametrize("capabilities", [PLUS, ASKED], ids=["at once", "asked"])
def test_a_mailbox_that_is_deleted_in_the_middle_is_created_once_and_order_is_kept(
    tmp_path: Path, capabilities: tuple[bytes, ...]
) -> None:
    world = make_many(tmp_path, 20, mailbox=b"Old", capabilities=capabilities)
    world.target.create(b"Old")
    gone: list[bytes] = []
    count = 0

    def answers(command: Any) -> Answer | None:
        nonlocal count
        count += isinstance(command, Append)
        if count == 7 and not gone:
            gone.extend(world.stored(b"Old"))
            world.target.delete(b"Old")
        return None

    world.answers = answers
    assert world.run() is ExitCode.SUCCESS
    assert gone + world.stored(b"Old") == texts(20)
    assert len(world.asked(CreateMailbox)) == 1


def test_a_server_without_keywords_keeps_the_order(tmp_path: Path) -> None:
    world = make_many(tmp_path, 12)
    for message in world.inbox.messages[3::3]:
        message.flags |= {rb"\Flagged", b"$Forwarded"}
    world.answers = lambda command: (
        (BAD, None) if isinstance(command, Append) and b"$Forwarded" in command.flags else None
    )
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == texts(12)


def test_keywords_that_the_server_takes_do_not_slow_down(tmp_path: Path) -> None:
    world = make_many(tmp_path)
    for message in world.inbox.messages:
        message.flags |= {b"$Forwarded"}
    simulation = Simulation(round_trip=ROUND_TRIP)
    assert world.run(simulation) is ExitCode.SUCCESS
    assert world.stored() == texts()
    assert simulation.now / ROUND_TRIP < 16


def test_a_message_that_ends_every_connection_keeps_no_other_from_its_place(tmp_path: Path) -> None:
    world = make_many(tmp_path, 12)
    world.inbox.messages[5].flags.add(rb"\Flagged")

    def answers(command: Any) -> Answer | None:
        if isinstance(command, Append) and command.flags == (rb"\Flagged",):
            raise Hangup
        return None

    world.answers = answers
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == [one for one in texts(12) if one != texts(12)[5]]
    assert [m.text for m in world.inbox.messages] == [texts(12)[5]]


def test_after_a_lost_connection_the_mailbox_is_listed_once(tmp_path: Path) -> None:
    world = make_many(tmp_path, 40)
    world.lost_answers = 1
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == texts(40)
    assert len(world.asked(Select)) == 1


def test_after_a_kill_the_mailbox_is_listed_once(tmp_path: Path) -> None:
    world = make_many(tmp_path, 40)
    count = 0

    def answers(command: Any) -> Answer | None:
        nonlocal count
        count += isinstance(command, Append)
        if count == 20:
            raise Killed
        return None

    world.answers = answers
    with pytest.raises(Killed):
        world.run()
    stored = len(world.stored())
    assert stored == 19
    world.answers = lambda command: None
    world.heard.clear()
    assert world.run() is ExitCode.SUCCESS
    assert world.stored() == texts(40)
    assert len(world.asked(Select)) == 1
    listings = [one for one in world.asked(UidFetch) if one.items == b"(UID RFC822.SIZE)"]
    assert len(listings) == 1
    # Only what may be there is searched for.
    assert len(world.asked(UidSearch)) <= stored


def test_a_mailbox_too_large_to_list_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhaul.adapters.sinks.imap_find.MAX_SIZES_TO_FETCH", 2)
    world = make_many(tmp_path, 10)
    world.target[b"INBOX"] = Mailbox([text(100 + n) for n in range(5)])
    world.lost_answers = 1
    assert world.run() is ExitCode.SUCCESS
    assert world.stored()[5:] == texts(10)
    assert not [one for one in world.asked(UidFetch) if one.items == b"(UID RFC822.SIZE)"]


@pytest.mark.parametrize("capabilities", [PLUS, ASKED], ids=["at once", "asked"])
@pytest.mark.parametrize("turn", range(1, 50, 1 if SOAK else 3))
@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
def test_a_connection_cut_at_any_turn_keeps_all_mail_once_and_in_order(
    tmp_path: Path, turn: int, capabilities: tuple[bytes, ...], behind: bool
) -> None:
    # Flows that earlier tests have killed may still hold theirs.
    gc.collect()
    before = open_spools()
    world = make_many(tmp_path, 12, capabilities=capabilities)
    turns = iter(range(1, 1000))

    class Cut(Target):
        """Closes the connection once, before or after a command is executed."""

        async def _answer(self, command: Any) -> None:
            due = next(turns) == turn
            if due and not behind:
                raise Hangup
            await super()._answer(command)
            if due:
                self._machine.data_to_send()
                raise Hangup

    world.serve = Cut
    world.run()
    world.run()
    assert world.stored() == texts(12)
    assert world.inbox.messages == []
    assert open_spools() == before


@pytest.mark.parametrize("step", range(1, 160, 1 if SOAK else 7))
def test_a_kill_at_any_step_keeps_all_mail_once_and_in_order(tmp_path: Path, step: int) -> None:
    world = make_many(tmp_path, 12)
    try:
        world.run(Simulation(round_trip=ROUND_TRIP, kill_at=step))
    except Killed:
        world.run()
    assert world.stored() == texts(12)
    assert world.inbox.messages == []
