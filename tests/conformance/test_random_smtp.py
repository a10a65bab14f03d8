"""Random SMTP sessions agree with our server, and find servers that are wrong here and there."""

from __future__ import annotations

import pytest

from mailhaul.conformance.environment import Target
from mailhaul.conformance.random.scripts import Failure
from mailhaul.conformance.random.smtp import RandomSmtp
from mailhaul.conformance.smtp.environment import SmtpEnvironment
from mailhaul.runtimes.simulated import Simulation

from .interposed import Answer, Change
from .smtp_server import JOE, PLACE, RECIPIENTS, TRUST, WHOLE, Mutant, SmtpWorld, said


def play(seed: int, mutant: Mutant = WHOLE, steps: int = 80) -> Failure | None:
    world = SmtpWorld(mutant, lmtp=False)
    simulation = Simulation(round_trip=0.01)
    simulation.listen(PLACE, world.machine, world.serve)
    target = Target(
        *("mail.example.org", PLACE, JOE, TRUST), store=world, recipients=RECIPIENTS, delivery=1.0
    )
    return simulation.run(RandomSmtp(SmtpEnvironment(target)).run(seed, steps))


@pytest.mark.parametrize("seed", range(1, 9))
def test_our_server_agrees_with_the_model(seed: int) -> None:
    assert play(seed) is None


FAULTS: dict[str, Mutant] = {
    "MAIL in a transaction": said(Answer(rb"MAIL .*", b"250 ok\r\n", after=2)),
    "RCPT without MAIL": said(Change(rb"503 [^\r]*RCPT[^\r]*\r\n", b"250 ok\r\n")),
    "a reply too many": said(Change(rb"(250 2.0.0 ok\r\n)", rb"\1\1")),
    "a text that is lost": Mutant(kept=lambda text: b"" if b"-2." in text else text),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_server_is_found_by_a_short_script(name: str) -> None:
    found = [failure for seed in range(1, 4) if (failure := play(seed, FAULTS[name]))]
    assert found
    assert min(len(failure.steps) for failure in found) <= 8
