"""What an authorization server can answer, as values: tokens, or why there are none.

There are four kinds of failure, by what can be done about it: the user has to sign in again
(ConsentNeeded), waiting helps (TryLater), the configuration has to be changed (Misconfigured), or
the user has said no (Denied).
"""

from __future__ import annotations

from ..record import Record
from ..secret import Secret


class Tokens(Record):
    """The answer to a successful token request (RFC 6749, 5.1).

    ``refresh_token`` is None if the server sent none: then the old one, if any, stays valid.
    ``expires_in`` is in seconds, None if the server does not say. ``scope`` is what was granted.
    """

    access_token: Secret
    refresh_token: Secret | None = None
    expires_in: int | None = None
    scope: tuple[str, ...] = ()
    token_type: str = "Bearer"  # noqa: S105  # the name of a type


class DeviceCode(Record):
    """What the user has to do in the device flow (RFC 8628, 3.2).

    ``complete_uri`` already contains the code; it may be "".
    """

    user_code: str
    uri: str
    complete_uri: str
    expires_in: int


class Pause(Record):
    """The user has not decided yet; ask again after this many seconds (RFC 8628, 3.5)."""

    seconds: int


class Failure(Record):
    """There are no tokens. ``reason`` is the code of the error, such as ``invalid_grant``.

    ``words`` is the server's own description: short, printable, without secrets.
    """

    reason: str
    words: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.words}" if self.words else self.reason


class ConsentNeeded(Failure):
    """The consent has ended or was never enough; only the user can give it again."""


class TryLater(Failure):
    """The server, or the way to it, has trouble now. ``retry_after`` is in seconds, if known.

    ``refresh_token`` is the next one, if an answer that cannot be used has one.
    """

    retry_after: int | None = None
    refresh_token: Secret | None = None


class Misconfigured(Failure):
    """Client, secret, scope or issuer is not what the server expects.

    ``refresh_token`` is as in TryLater.
    """

    refresh_token: Secret | None = None


class Denied(Failure):
    """The user, or somebody who decides for them, has said no."""


class Expired(Failure):
    """The user has not decided in time."""


class Revoked(Record):
    """The server has accepted a revocation (RFC 7009, 2.2)."""


Refused = ConsentNeeded | TryLater | Misconfigured | Denied | Expired
TokenResult = Tokens | Refused
