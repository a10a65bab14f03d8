"""The LMTP client, whatever a server says: one reply to the final dot for each recipient."""

from __future__ import annotations

from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import Tap
from mailhaul.protocols.smtp.client import SmtpClient

from ..conversation import Setting, converse
from .smtp_client import LETTERS


def lmtp(limits: Limits, tap: Tap) -> SmtpClient:
    """Return an LMTP client."""
    return SmtpClient(True, limits, tap)


SETTING = Setting(lmtp, LETTERS)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
