r"""In-memory servers for tests: IMAP, POP3, SMTP and LMTP, each session written as a flow.

    from mailhaul import imap, servers

    mailboxes = servers.Mailboxes({b"INBOX": servers.Mailbox([b"Subject: hello\r\n\r\nworld\r\n"])})
    channel = servers.Channel("client", imap.Server())
    servers.serve_imap(channel, mailboxes, {b"joe": b"sesame"})  # a flow, for any runtime

A flow awaits requests, so any runtime can run it, including the simulated one. What was stored or
received can be looked at from outside at any time. examples/test_server.py is a whole program;
docs/api/servers.md lists all names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..flows.channel import Channel
    from .imap import ALL_CAPABILITIES as ALL_IMAP_CAPABILITIES
    from .imap import Clock, Secure, serve_imap
    from .imap import Misbehaviour as ImapMisbehaviour
    from .logins import Logins, Nonces
    from .mailboxes import Mailbox, Mailboxes, Message
    from .pop3 import Maildrop, serve_pop3
    from .pop3 import Misbehaviour as Pop3Misbehaviour
    from .smtp import HangUp, MemorySink, Policy, Received, Stall, serve_smtp
else:
    from .._lazy import load_lazily

    load_lazily(
        globals(),
        "servers",
        "mailboxes",
        "logins",
        ALL_IMAP_CAPABILITIES="servers.imap.ALL_CAPABILITIES",
        Channel="flows.channel.Channel",
        Clock="servers.imap.Clock",
        HangUp="servers.smtp.HangUp",
        ImapMisbehaviour="servers.imap.Misbehaviour",
        Maildrop="servers.pop3.Maildrop",
        MemorySink="servers.smtp.MemorySink",
        Policy="servers.smtp.Policy",
        Pop3Misbehaviour="servers.pop3.Misbehaviour",
        Received="servers.smtp.Received",
        Secure="servers.imap.Secure",
        Stall="servers.smtp.Stall",
        serve_imap="servers.imap.serve_imap",
        serve_pop3="servers.pop3.serve_pop3",
        serve_smtp="servers.smtp.serve_smtp",
    )

__all__ = [
    "ALL_IMAP_CAPABILITIES",
    "Channel",
    "Clock",
    "HangUp",
    "ImapMisbehaviour",
    "Logins",
    "Mailbox",
    "Mailboxes",
    "Maildrop",
    "MemorySink",
    "Message",
    "Nonces",
    "Policy",
    "Pop3Misbehaviour",
    "Received",
    "Secure",
    "Stall",
    "serve_imap",
    "serve_pop3",
    "serve_smtp",
]
