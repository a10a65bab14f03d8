"""What happens to a message that the sink refuses permanently.

A message is removed from its server only after a sink has accepted it, or after its sender or the
postmaster has been notified that it is not delivered. The only exception are messages refused
with a reply code that the user has listed as spam (``antispam``).
"""

from __future__ import annotations

from enum import Enum

from ..protocols.record import Record
from .outcome import Failures, Outcome, Verdict

AUTHENTICATION_REQUIRED = 530
"""The listener requires a login (RFC 4954, 6). The message itself is not the reason."""
BAD_MAILBOX_NAME = 553
"""A mailbox name is not allowed (RFC 5321, 4.2.2); it may be the sender's."""


STUCK_TRIES = 10
STUCK_SECONDS = 24 * 3600
"""A message is set aside after this many refusals over at least this many seconds. So a listener
that is misconfigured for an hour does not cause it."""


class Fate(Enum):
    """What is done with a message after the verdict."""

    KEEP = "keep"
    """It stays on the server and is offered again."""
    RETURN = "return"
    """It may be deleted after a bounce has been sent."""
    DISCARD = "discard"
    """It may be deleted immediately."""


class Policy(Record):
    """The options with these names. ``antispam`` contains SMTP reply codes."""

    softbounce: bool = True
    bouncemail: bool = True
    spambounce: bool = False
    antispam: frozenset[int] = frozenset()


def fate_of(outcome: Outcome, policy: Policy, *, served_before: bool = False) -> Fate:
    """Return what is done with a message that was not accepted.

    ``softbounce`` keeps a message that no recipient has received. If some recipients have received
    it, now or in an earlier poll (``served_before``), it is not sent to them again; the sender
    is notified about the others, as in fetchmail.
    """
    if outcome.verdict is not Verdict.REFUSED:
        return Fate.KEEP
    codes = {refusal.code for refusal in outcome.refusals}
    if not codes or min(codes) < 500:
        return Fate.KEEP
    if not (outcome.served or served_before) and (
        policy.softbounce or AUTHENTICATION_REQUIRED in codes
    ):
        return Fate.KEEP
    spam = codes <= policy.antispam
    return Fate.DISCARD if spam and not policy.spambounce else Fate.RETURN


def notifies_sender(outcome: Outcome, policy: Policy) -> bool:
    """Whether the sender is notified, not the postmaster."""
    codes = {refusal.code for refusal in outcome.refusals}
    return policy.bouncemail and codes != {BAD_MAILBOX_NAME}


def is_stuck(failures: Failures) -> bool:
    """Whether a message has been refused so often that it is no longer offered."""
    return failures.tries >= STUCK_TRIES and failures.seconds >= STUCK_SECONDS
