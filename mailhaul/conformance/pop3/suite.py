"""The suite that the POP3 cases are added to."""

from __future__ import annotations

from ..cases import Suite
from .session import Pop3Environment

POP3: Suite[Pop3Environment] = Suite("pop3", alone=True)
"""All its cases share one maildrop."""
