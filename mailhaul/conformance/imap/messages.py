"""The mail that IMAP cases append."""

from __future__ import annotations

from ..pop3.messages import message

ONE, TWO, THREE = (message(name, b"Number %d.\r\n" % n) for n, name in enumerate("abc", 1))
