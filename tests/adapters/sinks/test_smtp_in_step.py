"""Missing and extra replies of a listener: no message is accepted by the reply to another one."""

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


# Missing replies


@pytest.mark.parametrize("ehlo", [PIPELINING, SERIAL])
def test_a_single_lmtp_reply_to_a_text_accepts_only_the_first_recipient(
    ehlo: bytes,
) -> None:
    script = Script(ehlo)
    first, second = World(script, lmtp=True).hand_over(BOTH, ANN)
    assert recipients_of(first) == {"ann@x": "accepted"}
    assert first.verdict is Verdict.POSTPONED
    # The next message uses a new connection, on which replies and commands are in step.
    assert second.accepted
    assert script.connections == 2


def test_a_single_lmtp_reply_to_chunks_accepts_only_the_first_recipient() -> None:
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
    # On the second connection all replies are correct.
    assert recipients_of(outcome) == {"ann@x": "accepted", "bob@x": "accepted"}
    assert (script.connections, len(script.texts)) == (2, 1)


# Extra replies


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "EHLO"])
@pytest.mark.parametrize("late", [0.0, 0.3])
def test_an_extra_reply_before_the_text_accepts_nothing(
    ehlo: bytes, verb: str, late: float
) -> None:
    answer = ehlo if verb == "EHLO" else OK
    answers: dict[str, Answer] = {verb: (answer, late, STRAY)}
    slow: dict[str, Answer] = {} if verb == "RCPT" else {"RCPT": (1.0, OK)}
    script = Script(ehlo, **{".": NO, "BDAT": NO, **slow, **answers})
    assert Verdict.ACCEPTED not in verdicts(World(script), ANN)


@pytest.mark.parametrize("ehlo", [PIPELINING, CHUNKING])
@pytest.mark.parametrize("late", [0.0, 0.2])
def test_an_extra_reply_after_a_message_does_not_accept_the_next(ehlo: bytes, late: float) -> None:
    texts: list[Answer] = [(OK, late, STRAY), (0.5, NO)]
    script = Script(ehlo, RCPT=[OK, (1.0, OK)], BDAT=texts, **{".": list(texts)})
    first, second = World(script).hand_over(ANN, BOB)
    assert first.accepted
    assert not second.accepted


@pytest.mark.parametrize("rcpt", [OK, b"550 nobody\r\n"])
def test_an_extra_reply_inside_the_text_does_not_accept_it(rcpt: bytes) -> None:
    text: Answer = (STRAY, 0.1, NO)
    for ehlo in (PIPELINING, CHUNKING):
        script = Script(ehlo, RCPT=[OK, rcpt], BDAT=text, **{".": text})
        first, _ = World(script).hand_over(ANN, BOB)
        assert not first.accepted
        assert "accepted" not in recipients_of(first).values()


def test_an_extra_acceptance_is_acceptance_and_ends_the_connection() -> None:
    script = Script(**{".": OK * 7})
    assert verdicts(World(script, lmtp=True), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert script.connections == 2


@pytest.mark.parametrize(
    "answers", [[OK, NO, OK], [OK, OK, NO], [NO, OK, OK]], ids=["first", "last", "refused"]
)
def test_with_an_extra_lmtp_reply_no_recipient_is_accepted(answers: list[bytes]) -> None:
    script = Script(**{".": b"".join(answers)})
    (outcome,) = World(script, lmtp=True).hand_over(BOTH)
    assert "accepted" not in recipients_of(outcome).values()
    assert outcome.verdict is Verdict.POSTPONED


# Replies to the RSET after a text


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
def test_a_listener_without_rset_or_with_one_message_per_connection_gets_each_once(
    ehlo: bytes, reset: Answer
) -> None:
    script = Script(ehlo, RSET=reset)
    assert verdicts(World(script), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert len(script.texts) == 2


def test_if_rset_fails_the_connection_is_closed() -> None:
    script = Script(RCPT=[b"550 nobody\r\n", OK], DATA=[b"503 none\r\n", b"354 go\r\n"])
    script.answers["RSET"] = [b"502 not implemented\r\n", OK]
    assert verdicts(World(script), ANN, BOB) == [Verdict.REFUSED, Verdict.ACCEPTED]
    assert script.connections == 2


@pytest.mark.parametrize("reset", [NO, b"451 later\r\n", b"354 go\r\n", b"221 bye\r\n"])
def test_a_refusal_of_rset_was_meant_for_the_text(reset: bytes) -> None:
    script = Script(RSET=[reset])
    assert Verdict.ACCEPTED not in verdicts(World(script), ANN)


def test_without_pipelining_no_rset_is_sent() -> None:
    script = Script(SERIAL)
    assert verdicts(World(script), ANN, BOB) == [Verdict.ACCEPTED] * 2
    assert b"RSET" not in script.heard


# Several replies to EHLO


@pytest.mark.parametrize("late", [0.0, 0.1, 2.0])
@pytest.mark.parametrize("lines", [2, 3])
def test_after_several_replies_to_ehlo_helo_is_used(late: float, lines: int) -> None:
    script = Script((b"250 sink\r\n", *((late, b"250 SIZE\r\n") * (lines - 1))))
    world = World(script)
    outcomes = world.hand_over(ANN, BOB, ANN)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 3
    assert script.heard.count(b"HELO client") == 1
    assert world.simulation.now < 60


def test_lmtp_has_no_helo_after_several_replies_to_lhlo() -> None:
    world = World(Script(b"250 sink\r\n250 SIZE\r\n"), lmtp=True)
    with pytest.raises(SinkUnavailable, match="no command was waiting"):
        world.hand_over(ANN)
    assert world.simulation.now < 60


# 421


@pytest.mark.parametrize("unasked", [False, True])
def test_a_421_to_ehlo_is_reported_and_the_next_listener_is_tried(unasked: bool) -> None:
    goodbye = b"421 4.3.2 too busy\r\n"
    full = Script((PIPELINING, goodbye, None) if unasked else (goodbye, None))
    free = Script()
    assert verdicts(World(full, free), ANN) == [Verdict.ACCEPTED]
    assert full.heard == [b"EHLO client"]
    with pytest.raises(SinkUnavailable, match=r"host0: 421 4\.3\.2 too busy$"):
        World(full).hand_over(ANN)


# Replies without end


@pytest.mark.parametrize("what", [STRAY, b"250-and so on\r\n", b"x" * 50])
@pytest.mark.parametrize("verb", ["RCPT", "DATA", "EHLO"])
def test_a_listener_that_sends_without_end_is_not_waited_for(verb: str, what: bytes) -> None:
    """The source may be silent meanwhile: replies that are not read must not use up memory."""
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
        # A flow that waits for its source does the same.
        while listened := world.sink.listening():
            await Wait(listened, 60.0)
            waits += 1
            assert waits < 10
        assert (await delivery.outcome()).verdict is Verdict.POSTPONED
        assert len(world.sink.channel.machine._input) < 100_000

    world.simulation.run(story())
