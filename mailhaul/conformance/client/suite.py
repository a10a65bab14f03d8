"""The suite that the cases for clients are added to."""

from __future__ import annotations

from ..cases import Suite
from .environment import ClientEnvironment

CLIENT: Suite[ClientEnvironment] = Suite("client")
