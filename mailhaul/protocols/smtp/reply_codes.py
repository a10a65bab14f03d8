"""Which replies a command can have (RFC 5321, 4.2 and 4.3.2).

A code that belongs to another command tells that replies are out of step: one is missing, or one
came twice. Whatever it would mean for the command it stands in for is then not known.
"""

from __future__ import annotations

from ..sasl.exchange import Authenticate
from .commands import Command, Data, Expn, Help, Quit, StartTls, Vrfy

GO_AHEAD = 354
TLS_GRANTED = 220
AUTHENTICATED = 235

OWNED = frozenset({211, 214, 220, 221, 235})
"""Positive codes of HELP, greeting and STARTTLS, QUIT, and AUTH: never about mail."""


def fits(command: Command, code: int) -> bool:
    """Whether a server can give this reply to this command.

    Refusals can always be, whatever their code; and so can every other positive code, since the
    first digit is what counts (RFC 5321, 4.2.1).
    """
    if code >= 400:
        return True
    match command:
        case Quit() | Help() | Vrfy() | Expn():
            # Nothing is concluded from the answer.
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
    """Whether the command was carried out: there are no replies of 1xx in SMTP."""
    return 200 <= code <= 299
