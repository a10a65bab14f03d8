"""What becomes of a message that the sink refuses for good: policy, as a table.

A message leaves its server only when a sink has it, or when somebody was told that nobody gets it.
The user's only exception are replies that he calls spam (``antispam``).
"""

from __future__ import annotations

from enum import Enum

from ..protocols.record import Record
from .outcome import Failures, Outcome, Verdict

AUTHENTICATION_REQUIRED = 530
"""We are not welcome at all (RFC 4954, 6): that says nothing about the message."""
BAD_NAME = 553
"""An address is no address here (RFC 5321, 4.2.2): the sender's may be meant."""


STUCK_TRIES = 10
STUCK_SECONDS = 24 * 3600
"""A message is set aside once it was refused so often, and for so long: a listener that is set up
wrongly for an hour sets nothing aside."""


class Fate(Enum):
    """What follows from a verdict."""

    KEEP = "keep"
    """It stays where it is, and comes again."""
    RETURN = "return"
    """Somebody is told; then it may go."""
    DISCARD = "discard"
    """It may go at once."""


class Policy(Record):
    """The options of these names. ``antispam`` are codes of replies."""

    softbounce: bool = True
    bouncemail: bool = True
    spambounce: bool = False
    antispam: frozenset[int] = frozenset()


def fate_of(outcome: Outcome, policy: Policy, *, served_before: bool = False) -> Fate:
    """Return what becomes of a message that was not accepted.

    ``softbounce`` keeps what nobody got. Where others got it, in an earlier poll maybe, it cannot
    come again for all of them: those it was refused for are the sender's affair, as with fetchmail.
    """
    codes = {refusal.code for refusal in outcome.refusals}
    if outcome.verdict is not Verdict.REFUSED or not codes or min(codes) < 500:
        return Fate.KEEP
    if not (outcome.served or served_before) and (
        policy.softbounce or AUTHENTICATION_REQUIRED in codes
    ):
        return Fate.KEEP
    spam = codes <= policy.antispam
    return Fate.DISCARD if spam and not policy.spambounce else Fate.RETURN


def tells_sender(outcome: Outcome, policy: Policy) -> bool:
    """Whether it is the sender who is told, not the postmaster."""
    codes = {refusal.code for refusal in outcome.refusals}
    return policy.bouncemail and codes != {BAD_NAME}


def is_stuck(failures: Failures) -> bool:
    """Whether a message has been refused so often that offering it again is in vain."""
    return failures.tries >= STUCK_TRIES and failures.seconds >= STUCK_SECONDS
