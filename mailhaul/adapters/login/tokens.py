"""A login with a token: once more with another one if the server refuses the first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from ... import sasl
from ...protocols.secret import Secret
from .access import TokenSource

ResultT = TypeVar("ResultT")

BEARER = frozenset({b"OAUTHBEARER", b"XOAUTH2"})


async def log_in_with_token(
    tokens: TokenSource,
    token: Secret | None,
    attempt: Callable[[Secret | None], Awaitable[ResultT]],
    refusal: Callable[[ResultT], bytes | None],
    accepted: Callable[[ResultT], bool],
) -> tuple[ResultT, str]:
    """Log in; return the result of the last attempt, and what helps against a refusal, or "".

    ``refusal`` returns the words of a server that refuses the token, None for any other result.
    """
    result = await attempt(token)
    words = refusal(result)
    if words is not None and token is not None:
        other = await tokens.replacement(token)
        if other is not None:
            result = await attempt(other)
            words = refusal(result)
    if words is not None:
        advice = await tokens.refused(words.decode("utf-8", "replace"))
        return result, f"; {advice}" if advice else ""
    if accepted(result):
        await tokens.accepted()
    return result, ""


def details_of(mechanism: sasl.ClientMechanism) -> bytes:
    """Return what a server said with a refused token: its status, and the scope that it wants."""
    if mechanism.name not in BEARER or not isinstance(mechanism, sasl.OAuthBearer | sasl.XOAuth2):
        return b""
    found = {b"status": mechanism.status, b"scope": mechanism.scope}
    said = b", ".join(b"%b %b" % (name, value[:200]) for name, value in found.items() if value)
    return b" (%b)" % said if said else b""
