"""The LMTP client, whatever a server says: one reply to the final dot for each recipient."""

from __future__ import annotations

from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Trace
from mailhaul.protocols.smtp.client import SmtpClient

from ..conversation import Setting, converse
from .smtp_client import LETTERS


def lmtp(limits: Limits, trace: Trace) -> SmtpClient:
    """Return an LMTP client."""
    return SmtpClient(True, limits, trace)


SETTING = Setting(lmtp, LETTERS)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
