"""Mailbox names: what a server calls a mailbox, and the way back. The first octet chooses UTF-8."""

from __future__ import annotations

from mailhaul.protocols.imap.mailbox_names import decode_mailbox, encode_mailbox

from ..finding import promise


def target(data: bytes) -> None:
    """Read a name; what is read and written again names the same mailbox."""
    utf8, wire = bool(data[:1] and data[0] & 1), data[1:]
    name = decode_mailbox(wire, utf8=utf8)
    if name.isascii():
        # Such a name is taken as the wire has it already.
        return
    again = encode_mailbox(name, utf8=utf8 or not wire.isascii())
    promise(decode_mailbox(again, utf8=utf8) == name, "a name that changes on its way back")
