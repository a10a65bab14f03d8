"""Replies too few or too many at a listener: no message is accepted by another one's reply."""

from __future__ import annotations

import pytest

from mailhaul.flows.outcome import SinkUnavailable, Verdict
from mailhaul.flows.requests import Wait
from mailhaul.flows.sink import Parcel

from .scripted_listener import (
    CHUNKING,
    HEADER,
    PIPELINING,
    SERIAL,
    Answer,
    Script,
    World,
    recipients_of,
)

OK = b"250 ok\r\n"
NO = b"552 5.2.2 no room\r\n"
STRAY = b"250 what?\r\n"
ANN, BOB = (b"ann@x",), (b"bob@x",)
BOTH = (b"ann@x", b"bob@x")


def verdicts(world: World, *groups: tuple[bytes, ...]) -> list[Verdict]:
    return [outcome.verdict for outcome in world.hand_over(*groups)]


# Too few


@pytest.mark.parametrize("ehlo", [PIPELINING, SERIAL])
def test_lmtp_that_answers_a_text_once_has_taken_it_for_the_first_recipient_only(
    ehlo: bytes,
) -> None:
    script = Script(ehlo)
    first, second = World(script, lmtp=True).hand_over(BOTH, ANN)
    assert recipients_of(first) == {"ann@x": "accepted"}
    assert first.verdict is Verdict.POSTPONED
    # The next one goes by a new connection, and is no part of the misunderstanding.
    assert second.accepted
    assert script.connections == 2


def test_lmtp_chunks_that_are_answered_once_are_taken_for_the_first_recipient_only() -> None:
    script = Script(CHUNKING)
    first, second = World(script, lmtp=True).hand_over(BOTH, ANN)
    assert recipients_of(first) == {"ann@x": "accepted"}
    assert first.verdict is Verdict.POSTPONED
    assert second.accepted


@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("second_recipient", [OK, b"550 nobody\r\n"])
def test_a_dot_that_is_never_answered_is_not_accepted_by_the_next_commands_reply(
    lmtp: bool, second_recipient: bytes
) -> None:
    refused = second_recipient != OK
    data: list[Answer] = [b"354 go\r\n", b"503 none\r\n" if refused else b"354 go\r\n"]
    dots: list[Answer] = [b"", OK]
    script = Script(RCPT=[OK, second_recipient], DATA=data)
    script.answers["."] = dots
    first, _ = World(script, lmtp=lmtp).hand_over(ANN, BOB)
    assert first.verdict is Verdict.POSTPONED
    assert "accepted" not in recipients_of(first).values()


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
def test_a_last_text_that_is_never_answered_is_not_accepted_by_the_reply_to_rset(
    ehlo: bytes,
) -> None:
    script = Script(ehlo, BDAT=b"", **{".": b""})
    assert verdicts(World(script), ANN) == [Verdict.POSTPONED]


def test_a_recipient_without_a_reply_does_not_shift_the_others() -> None:
    script = Script(RCPT=[b"", OK])
    (outcome,) = World(script).hand_over(BOTH)
    # The second connection has it right.
    assert recipients_of(outcome) == {"ann@x": "accepted", "bob@x": "accepted"}
    assert (script.connections, len(script.texts)) == (2, 1)


# Too many


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "EHLO"])
@pytest.mark.parametrize("late", [0.0, 0.3])
def test_a_reply_too_many_before_the_text_accepts_nothing(
    ehlo: bytes, verb: str, late: float
) -> None:
    answer = ehlo if verb == "EHLO" else OK
    answers: dict[str, Answer] = {verb: (answer, late, STRAY)}
    slow: dict[str, Answer] = {} if verb == "RCPT" else {"RCPT": (1.0, OK)}
    script = Script(ehlo, **{".": NO, "BDAT": NO, **slow, **answers})
    assert Verdict.ACCEPTED not in verdicts(World(script), ANN)


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_a_reply_too_many_after_a_message_does_not_accept_the_next(
    ehlo: bytes, late: float
) -> None:
    texts: list[Answer] = [(OK, late, STRAY), (0.5, NO)]
    script = Script(ehlo, RCPT=[OK, (1.0, OK)], BDAT=texts, **{".": list(texts)})
    first, second = World(script).hand_over(ANN, BOB)
    assert first.accepted
    assert not second.accepted


@pytest.mark.parametrize("rcpt", [OK, b"550 nobody\r\n"])
def test_a_reply_too_many_inside_the_text_does_not_accept_it(rcpt: bytes) -> None:
    text: Answer = (STRAY, 0.1, NO)
    for ehlo in (PIPELINING, CHUNKING):
        script = Script(ehlo, RCPT=[OK, rcpt], BDAT=text, **{".": text})
        first, _ = World(script).hand_over(ANN, BOB)
        assert not first.accepted
        assert "accepted" not in recipients_of(first).values()


def test_more_acceptances_than_are_due_are_acceptance_and_the_end_of_the_connection() -> None:
    script = Script(**{".": OK * 7})
    assert verdicts(World(script, lmtp=True), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert script.connections == 2


@pytest.mark.parametrize(
    "answers", [[OK, NO, OK], [OK, OK, NO], [NO, OK, OK]], ids=["first", "last", "refused"]
)
def test_lmtp_answers_of_which_one_is_too_many_are_nobodys(answers: list[bytes]) -> None:
    script = Script(**{".": b"".join(answers)})
    (outcome,) = World(script, lmtp=True).hand_over(BOTH)
    assert "accepted" not in recipients_of(outcome).values()
    assert outcome.verdict is Verdict.POSTPONED


# What the RSET after a text meets


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize(
    "reset",
    [
        b"500 unknown\r\n",
        b"502 not implemented\r\n",
        b"503 not now\r\n",
        (b"421 enough for this connection\r\n", None),
        (None,),
    ],
    ids=["500", "502", "503", "421", "hang-up"],
)
def test_a_listener_that_knows_no_rset_or_leaves_after_each_message_gets_each_once(
    ehlo: bytes, reset: Answer
) -> None:
    script = Script(ehlo, RSET=reset)
    assert verdicts(World(script), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert len(script.texts) == 2


def test_a_transaction_that_cannot_be_given_up_is_left_with_its_connection() -> None:
    script = Script(RCPT=[b"550 nobody\r\n", OK], DATA=[b"503 none\r\n", b"354 go\r\n"])
    script.answers["RSET"] = [b"502 not implemented\r\n", OK]
    assert verdicts(World(script), ANN, BOB) == [Verdict.REFUSED, Verdict.ACCEPTED]
    assert script.connections == 2


@pytest.mark.parametrize("reset", [NO, b"451 later\r\n", b"354 go\r\n", b"221 bye\r\n"])
def test_another_reply_to_it_was_for_the_text(reset: bytes) -> None:
    script = Script(RSET=[reset])
    assert Verdict.ACCEPTED not in verdicts(World(script), ANN)


def test_a_listener_without_pipelining_is_asked_nothing_more() -> None:
    script = Script(SERIAL)
    assert verdicts(World(script), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert b"RSET" not in script.heard


# EHLO answered as if it were several commands


@pytest.mark.parametrize("late", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("lines", [2, 3])
def test_a_listener_that_forgets_the_dashes_is_told_helo_and_gets_the_mail(
    late: float, lines: int
) -> None:
    script = Script((b"250 sink\r\n", *((late, b"250 SIZE\r\n") * (lines - 1))))
    world = World(script)
    outcomes = world.hand_over(ANN, BOB, ANN)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 3
    assert script.heard.count(b"HELO client") == 1
    assert world.simulation.now < 60


def test_lmtp_without_dashes_has_no_helo_and_is_left_at_once() -> None:
    world = World(Script(b"250 sink\r\n250 SIZE\r\n"), lmtp=True)
    with pytest.raises(SinkUnavailable, match="no command was waiting"):
        world.hand_over(ANN)
    assert world.simulation.now < 60


# Going away


@pytest.mark.parametrize("unasked", [False, True])
def test_a_421_to_ehlo_is_told_as_it_is_and_the_next_listener_is_asked(unasked: bool) -> None:
    goodbye = b"421 4.3.2 too busy\r\n"
    full = Script((PIPELINING, goodbye, None) if unasked else (goodbye, None))
    free = Script()
    assert verdicts(World(full, free), ANN) == [Verdict.ACCEPTED]
    assert full.heard == [b"EHLO client"]
    with pytest.raises(SinkUnavailable, match=r"host0: 421 4\.3\.2 too busy$"):
        World(full).hand_over(ANN)


# Talking without end


@pytest.mark.parametrize("what", [STRAY, b"250-and so on\r\n", b"x" * 50])
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "EHLO"])
def test_a_listener_that_talks_without_end_is_not_listened_to(verb: str, what: bytes) -> None:
    """The source may be silent meanwhile: what nobody waits for must not pile up."""
    before = {"RCPT": OK, "DATA": b"354 go\r\n", "EHLO": PIPELINING}[verb]
    flood = (0.5, what * 20_000) * 50
    script = Script()
    script.answers[verb] = (before, *flood)
    world = World(script)
    waits = 0

    async def story() -> None:
        nonlocal waits
        delivery = await world.sink.offer(Parcel(b"a@x", ANN, HEADER, 100))
        if verb == "DATA":
            assert await delivery.ready()
        # So does a flow that waits for its source.
        while listened := world.sink.listening():
            await Wait(listened, 60.0)
            waits += 1
            assert waits < 10
        assert (await delivery.outcome()).verdict is Verdict.POSTPONED
        assert len(world.sink.channel.machine._input) < 100_000

    world.simulation.run(story())
