"""The suite that the LMTP cases are added to."""

from __future__ import annotations

from ..cases import Suite
from .session import LmtpEnvironment

LMTP: Suite[LmtpEnvironment] = Suite("lmtp")
