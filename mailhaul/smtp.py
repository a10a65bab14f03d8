r"""SMTP and LMTP without a socket: a client and a server, bytes in and events out (RFC 5321, 2033).

    from mailhaul import smtp

    client = smtp.Client()
    client.receive_data(b"220 ready\r\n")
    client.next_event()  # smtp.Greeted(reply=...)
    client.send(smtp.Ehlo(b"client.example.org"))
    client.data_to_send()  # [b'EHLO client.example.org\r\n']

A message is Mail, one Rcpt for each recipient and Data. The good reply to Data is 354, which is not
``positive``; after it BodyChunk is sent as often as needed, with any line ends, and then EndOfData,
which ends the text. ``Answered.accepts`` of its reply says that the server has taken the message.
Without ``b"PIPELINING"`` in ``client.capabilities``, wait for each reply before the next command.

``Client(lmtp=True)`` and ``Server(lmtp=True)`` speak LMTP. Commands are what a client sends and a
server hears. A client hears events; a server sends ``Reply``. docs/core.md is the guide,
docs/api/smtp.md lists all names.
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
    from .protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
    from .protocols.secret import Secret
    from .protocols.smtp.client import SmtpClient as Client
    from .protocols.smtp.commands import (
        Bdat,
        BodyChunk,
        Command,
        Continuation,
        Data,
        Ehlo,
        EndOfData,
        Etrn,
        Expn,
        Heard,
        Helo,
        Help,
        Mail,
        Malformed,
        Noop,
        Quit,
        Rcpt,
        Rset,
        StartTls,
        Unrecognized,
        Vrfy,
    )
    from .protocols.smtp.events import (
        Answered,
        Closed,
        Event,
        Greeted,
        Reply,
        SaidGoodbye,
        TlsReady,
    )
    from .protocols.smtp.replies import OutOfStep
    from .protocols.smtp.server import DEFAULT_EXTENSIONS
    from .protocols.smtp.server import SmtpServer as Server
else:
    from ._lazy import load_lazily

    load_lazily(
        globals(),
        "protocols",
        "secret",
        "limits",
        "errors",
        "sasl.exchange",
        "smtp.commands",
        "smtp.events",
        "smtp.replies",
        "machine",
        "smtp.server",
        Client="protocols.smtp.client.SmtpClient",
        Server="protocols.smtp.server.SmtpServer",
    )

__all__ = [
    "DEFAULT_EXTENSIONS",
    "DEFAULT_LIMITS",
    "NEED_DATA",
    "Answered",
    "Authenticate",
    "Bdat",
    "BodyChunk",
    "CancelAuthentication",
    "Challenge",
    "Client",
    "Closed",
    "Command",
    "ConnectionLost",
    "Continuation",
    "Data",
    "Ehlo",
    "EndOfData",
    "Etrn",
    "Event",
    "Expn",
    "Greeted",
    "Heard",
    "Helo",
    "Help",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "Mail",
    "Malformed",
    "NeedData",
    "Noop",
    "OutOfStep",
    "ProtocolError",
    "Quit",
    "Rcpt",
    "RemoteProtocolError",
    "Reply",
    "Respond",
    "Rset",
    "SaidGoodbye",
    "Secret",
    "Server",
    "StartTls",
    "Tap",
    "Taps",
    "TlsReady",
    "Unrecognized",
    "Vrfy",
]
