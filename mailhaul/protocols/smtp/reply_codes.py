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
WITHOUT_EFFECT = frozenset({Quit, Help, Vrfy, Expn})
"""Commands to which any reply fits, because nothing depends on it."""
ONLY: dict[type, int] = {Data: GO_AHEAD, StartTls: TLS_GRANTED}
"""Commands with a single positive reply code."""


def fits(command: Command, code: int) -> bool:
    """Whether a server can reply to this command with this code.

    Every command can be refused with any code. An unknown positive code is accepted too, because
    the first digit decides (RFC 5321, 4.2.1).
    """
    kind = type(command)
    if code >= 400 or kind in WITHOUT_EFFECT:
        return True
    if kind in ONLY:
        return code == ONLY[kind]
    if kind is Authenticate and code == AUTHENTICATED:
        return True
    return 200 <= code <= 299 and code not in OWNED


def is_positive(code: int) -> bool:
    """Whether the code is 2xx. SMTP has no 1xx replies."""
    return 200 <= code <= 299
