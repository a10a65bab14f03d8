"""``mailhaul conformance imap TARGET --random N``: random sessions, compared with a model."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Protocol

from ...conformance.case_thread import Driver, Stop, Stopped
from ...conformance.environment import Target
from ...conformance.faults import WrongUse
from ...conformance.imap.environment import ImapEnvironment
from ...conformance.pop3.session import Pop3Environment
from ...conformance.random.imap import RandomImap
from ...conformance.random.pop3 import RandomPop3
from ...conformance.random.scripts import Failure
from ...conformance.random.smtp import RandomSmtp
from ...conformance.report.run import ExitCode
from ...conformance.smtp.environment import SmtpEnvironment
from ...conformance.verdicts import Broken, SetUpFailed, Skipped
from ...flows.requests import RuntimeFault
from ..polls.lines import Lines, write

DEFAULT_SEED = 1


def run_random(
    protocol: str, target: Target, options: Namespace, stop: Stop, lines: Lines
) -> ExitCode:
    """Play the random script and say what came of it. Raises WrongUse."""
    seed = options.seed or DEFAULT_SEED
    player = player_for(protocol, target, options.connections)
    try:
        failure = Driver(options.run_timeout, stop).run(player.run(seed, options.random))
    except (SetUpFailed, Skipped, Broken, RuntimeFault, Stopped) as fault:
        lines.complain(f"conformance: {target.name} cannot be tested: {fault}")
        return ExitCode.NOT_SET_UP
    about = f"{options.random} random steps, seed {seed}"
    if failure is None:
        write(sys.stdout, f"{target.name}: {about}: every answer agrees with the model\n")
        return ExitCode.PASSED
    write(sys.stdout, f"{target.name}: {about}: FAILED\n{described(failure)}")
    return ExitCode.FAILED


class Player(Protocol):
    """Plays random sessions."""

    async def run(self, seed: int, steps: int) -> Failure | None:
        """Play a script; return the shortest one that fails, or None."""
        ...


def player_for(protocol: str, target: Target, connections: int) -> Player:
    """Return what plays random sessions of a protocol. Raises WrongUse."""
    match protocol:
        case "imap":
            return RandomImap(ImapEnvironment(target), connections)
        case "pop3":
            return RandomPop3(Pop3Environment(target))
        case "smtp":
            return RandomSmtp(SmtpEnvironment(target))
        case _:
            raise WrongUse(f"--random is for imap, pop3 and smtp; {protocol} has no model yet")


def described(failure: Failure) -> str:
    """Return a failing script for people: what was done, and what was wrong in the end."""
    steps = [f"  {number}. {step}" for number, step in enumerate(failure.steps, 1)]
    broken = failure.broken
    return "\n".join(
        [
            "The shortest script found that fails, with all its steps:",
            *steps,
            f"  expected  {broken.expected}",
            f"  got       {broken.got}",
            "",
        ]
    )
