"""The reply codes that a command can have (RFC 5321, 4.2 and 4.3.2).

A code of another command shows that replies are out of step: a reply is missing or was sent twice.
Then it is unknown to which command the reply belongs.
"""

from __future__ import annotations

from ..sasl.exchange import Authenticate
from .commands import Command, Data, Expn, Help, Quit, StartTls, Vrfy

GO_AHEAD = 354
TLS_GRANTED = 220
AUTHENTICATED = 235

OWNED = frozenset({211, 214, 220, 221, 235})
"""Positive codes of HELP, the greeting, STARTTLS, QUIT and AUTH; mail commands never have them."""


def fits(command: Command, code: int) -> bool:
    """Whether a server can reply to this command with this code.

    Every command can be refused with any code. An unknown positive code is accepted too, because
    the first digit decides (RFC 5321, 4.2.1).
    """
    if code >= 400:
        return True
    match command:
        case Quit() | Help() | Vrfy() | Expn():
            # Nothing depends on these replies.
            return True
        case Data():
            return code == GO_AHEAD
        case StartTls():
            return code == TLS_GRANTED
        case Authenticate() if code == AUTHENTICATED:
            return True
        case _:
            return is_positive(code) and code not in OWNED


def is_positive(code: int) -> bool:
    """Whether the code is 2xx. SMTP has no 1xx replies."""
    return 200 <= code <= 299
