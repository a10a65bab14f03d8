"""What a POP3 client in read-only mode may send: only what changes nothing at the server.

The commands are listed one by one, so that a new one is refused until it is listed here.
"""

from __future__ import annotations

from typing import Final

from ..errors import LocalProtocolError
from ..sasl.exchange import Authenticate, CancelAuthentication, Respond
from .client_lines import VERBS, describe
from .commands import (
    Apop,
    Capa,
    Command,
    Continuation,
    Envelope,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)

HARMLESS: Final[frozenset[type]] = frozenset(
    {
        *(Capa, StartTls, User, Pass, Apop, Authenticate, Respond, CancelAuthentication),
        *(Utf8, Lang, Stat, List, Uidl, Top, Noop, Last, Envelope, Quit),
    }
)
"""Commands that change nothing.

QUIT removes only what DELE has marked. RETR is not among them: servers may mark the message as
read, or with EXPIRE 0 remove it at QUIT (RFC 2449, section 6.7).
"""


def refuse_changes(command: Command | Continuation) -> None:
    """Raise LocalProtocolError for a command that may change something at the server."""
    kind = type(command)
    if kind not in HARMLESS:
        name = describe(command) if kind in VERBS else kind.__name__  # type: ignore[arg-type]
        raise LocalProtocolError(f"{name} is refused in read-only mode")
