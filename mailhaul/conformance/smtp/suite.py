"""The suite that the SMTP cases are added to."""

from __future__ import annotations

from ..cases import Suite
from .environment import SmtpEnvironment

SMTP: Suite[SmtpEnvironment] = Suite("smtp")
