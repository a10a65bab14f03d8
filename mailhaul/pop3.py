r"""POP3 without a socket: a client and a server, bytes in and events out (RFC 1939).

    from mailhaul import pop3

    client = pop3.Client()
    client.receive_data(b"+OK ready\r\n")
    client.next_event()  # pop3.Greeted(timestamp=None, text=b'ready')
    client.send(pop3.User(b"joe"))
    client.data_to_send()  # [b'USER joe\r\n']

Commands are what a client sends and a server hears; events are what a server sends and a client
hears. docs/core.md is the guide, docs/api/pop3.md lists all names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocols.errors import (
        ConnectionLost,
        LimitExceeded,
        LocalProtocolError,
        ProtocolError,
        RemoteProtocolError,
    )
    from .protocols.limits import DEFAULT_LIMITS, Limits
    from .protocols.machine import NEED_DATA, NeedData, Tap, Taps
    from .protocols.pop3.client import Pop3Client as Client
    from .protocols.pop3.commands import (
        Apop,
        Capa,
        Command,
        Continuation,
        Delete,
        Envelope,
        Heard,
        Lang,
        Last,
        List,
        Noop,
        Pass,
        Quit,
        Reset,
        Retrieve,
        StartTls,
        Stat,
        Top,
        Uidl,
        User,
        Utf8,
    )
    from .protocols.pop3.events import (
        BodyChunk,
        BodyStart,
        Capabilities,
        Closed,
        Completed,
        Counted,
        Event,
        Greeted,
        LastRead,
        Line,
        Listed,
        ListedBlock,
        ResponseCode,
        TlsReady,
        TurnedAway,
        UniqueId,
        UniqueIdBlock,
    )
    from .protocols.pop3.server import Pop3Server as Server
    from .protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
    from .protocols.secret import Secret
else:
    from ._lazy import load_lazily

    load_lazily(
        globals(),
        "protocols",
        "secret",
        "limits",
        "errors",
        "sasl.exchange",
        "pop3.commands",
        "pop3.events",
        "machine",
        Client="protocols.pop3.client.Pop3Client",
        Server="protocols.pop3.server.Pop3Server",
    )

__all__ = [
    "DEFAULT_LIMITS",
    "NEED_DATA",
    "Apop",
    "Authenticate",
    "BodyChunk",
    "BodyStart",
    "CancelAuthentication",
    "Capa",
    "Capabilities",
    "Challenge",
    "Client",
    "Closed",
    "Command",
    "Completed",
    "ConnectionLost",
    "Continuation",
    "Counted",
    "Delete",
    "Envelope",
    "Event",
    "Greeted",
    "Heard",
    "Lang",
    "Last",
    "LastRead",
    "LimitExceeded",
    "Limits",
    "Line",
    "List",
    "Listed",
    "ListedBlock",
    "LocalProtocolError",
    "NeedData",
    "Noop",
    "Pass",
    "ProtocolError",
    "Quit",
    "RemoteProtocolError",
    "Reset",
    "Respond",
    "ResponseCode",
    "Retrieve",
    "Secret",
    "Server",
    "StartTls",
    "Stat",
    "Tap",
    "Taps",
    "TlsReady",
    "Top",
    "TurnedAway",
    "Uidl",
    "UniqueId",
    "UniqueIdBlock",
    "User",
    "Utf8",
]
