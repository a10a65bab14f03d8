"""Reply codes that no listener should send: the verdict for a message, at each step.

The first digit counts (RFC 5321, 4.2.1), except where the code belongs to another command; then
replies are out of step and the connection is over, at once and not after a timeout.
"""

from __future__ import annotations

import pytest

from mailhaul.flows.outcome import Verdict

from .scripted_listener import CHUNKING, PIPELINING, SERIAL, Answer, Script, World

ACCEPTED, POSTPONED, REFUSED = Verdict.ACCEPTED, Verdict.POSTPONED, Verdict.REFUSED
CODES = (
    *(100, 150, 199, 200, 211, 214, 220, 221, 235, 250, 251, 252, 253, 259, 299),
    *(300, 334, 354, 355, 399, 400, 421, 450, 499, 500, 550, 555, 599),
)
ELSEWHERE = {211, 214, 220, 221, 235}


def expected(step: str, code: int) -> Verdict:
    """Return the verdict on a message for one recipient if this step always has this reply."""
    if code >= 400:
        return REFUSED if code >= 500 else POSTPONED
    if step == "DATA":
        return ACCEPTED if code == 354 else POSTPONED
    return ACCEPTED if 200 <= code <= 299 and code not in ELSEWHERE else POSTPONED


@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize("ehlo", [PIPELINING, SERIAL, CHUNKING])
@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "dot", "RSET"])
@pytest.mark.parametrize("code", CODES)
def test_a_code_means_what_its_first_digit_says_or_nothing_at_all(
    code: int, step: str, ehlo: bytes, lmtp: bool
) -> None:
    chunked = ehlo is CHUNKING
    if chunked and step == "DATA":
        pytest.skip("chunks need no DATA")
    verb = {"dot": "BDAT" if chunked else "."}.get(step, step)
    answer: Answer = b"%d so\r\n" % code
    script = Script(ehlo, **{verb: answer})
    world = World(script, lmtp=lmtp)
    (outcome,) = world.hand_over([b"ann@x"])
    verdict = expected(step, code)
    if step == "RSET":
        asked = b"RSET" in script.heard
        known = 200 <= code <= 299 and code not in ELSEWHERE
        doubted = asked and not (known or code in {421, 500})
        verdict = POSTPONED if doubted else ACCEPTED
    assert outcome.verdict is verdict
    assert (verdict is ACCEPTED) <= (len(script.texts) == 1)
    assert world.simulation.now < 60


@pytest.mark.parametrize("code", CODES)
def test_lmtp_gives_each_recipient_the_verdict_of_its_own_answer(code: int) -> None:
    script = Script(**{".": b"250 ok\r\n%d so\r\n" % code})
    world = World(script, lmtp=True)
    (outcome,) = world.hand_over([b"ann@x", b"bob@x"])
    found = dict(outcome.recipients)
    assert found["ann@x"] is ACCEPTED
    assert found.get("bob@x", POSTPONED) is expected("dot", code)
    assert outcome.accepted is (expected("dot", code) is ACCEPTED)
    assert world.simulation.now < 60
