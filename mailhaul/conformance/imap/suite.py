"""The suite that the IMAP cases are added to."""

from __future__ import annotations

from ..cases import Suite
from .environment import ImapEnvironment

IMAP: Suite[ImapEnvironment] = Suite("imap")
