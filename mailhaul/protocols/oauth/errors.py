"""What a negative answer means (RFC 6749, 5.2; RFC 8628, 3.5), also one that is no OAuth at all.

The code of an error decides. Servers use ``invalid_grant`` for nearly everything that a new consent
repairs. Microsoft adds its own numbers to the description, which are more precise.
"""

from __future__ import annotations

import re
from typing import Final

from ..http import HttpRequest, HttpResponse
from .encoding import json_object, plain_words, text_of
from .results import (
    ConsentNeeded,
    Denied,
    Expired,
    Misconfigured,
    Refused,
    TryLater,
)

CONSENT: Final = frozenset(
    {
        "invalid_grant", "interaction_required", "consent_required", "login_required",
        "account_selection_required", "invalid_token", "insufficient_scope",
    }
)  # fmt: skip
LATER: Final = frozenset(
    {"temporarily_unavailable", "server_error", "slow_down", "internal_failure"}
)
DENIED: Final = frozenset({"access_denied", "authorization_declined", "admin_policy_enforced"})
EXPIRED: Final = frozenset({"expired_token", "code_expired"})

RETRY_STATUS: Final = frozenset({408, 425, 429})
"""Statuses below 500 after which the same request may succeed (RFC 9110; RFC 8470; RFC 6585)."""

_AADSTS: Final = re.compile(r"AADSTS(\d{4,8})\b")
AADSTS_LATER: Final = frozenset({"90033", "50196", "90006", "90024"})
"""Microsoft: trouble of its own, or too many requests in a short time."""
AADSTS_SETTINGS: Final = frozenset(
    {
        # The assertion's certificate, secret or application are wrong.
        "700016", "700027", "7000215", "7000218", "7000222", "50011", "70011", "90002", "90023",
        "700024", "50059", "900382", "50194", "700025", "650057",
    }
)  # fmt: skip
"""Microsoft: nothing that the user could repair by signing in again."""
_CLOCK: Final = re.compile(r"AADSTS700024\b|\biat\b.*\bexp\b|reasonable timeframe", re.IGNORECASE)


def refusal_of(request: HttpRequest, response: HttpResponse) -> Refused:
    """Return the meaning of a response that is not a success."""
    found = json_object(response.body)
    error = plain_words(text_of(found or {}, "error"), request.secrets)
    if found is None or not error:
        return _without_code(request, response)
    words = plain_words(text_of(found, "error_description"), request.secrets)
    return meaning_of(error, words, response)


def meaning_of(error: str, words: str, response: HttpResponse | None = None) -> Refused:
    """Return the meaning of an error code and its description."""
    status = response.status if response else 400
    number = found[1] if (found := _AADSTS.search(words)) else ""
    if error in LATER or number in AADSTS_LATER or status in RETRY_STATUS or status >= 500:
        return TryLater(error, words, response.retry_after if response else None)
    if number in AADSTS_SETTINGS:
        return Misconfigured(error, words)
    if error in CONSENT:
        return ConsentNeeded(error, words)
    if error in DENIED:
        return Denied(error, words)
    if error in EXPIRED:
        return Expired(error, words)
    # invalid_client, unauthorized_client, invalid_scope, invalid_request, unsupported_grant_type,
    # and everything unknown: to try again the same way does not help.
    return Misconfigured(error, words)


def clock_is_wrong(refused: Refused) -> bool:
    """Whether a signed assertion was refused because of the times in it.

    Microsoft: AADSTS700024. Google: "Invalid JWT: Token must be a short-lived token ... Check your
    iat and exp values in the JWT claim."
    """
    return _CLOCK.search(refused.words) is not None


def _without_code(request: HttpRequest, response: HttpResponse) -> Refused:
    """Return the meaning of a page of a proxy or web server, an empty answer or broken JSON."""
    status = response.status
    kind = plain_words(response.field("content-type").partition(";")[0]) or "no type"
    reason = f"HTTP status {status}"
    words = plain_words(_text(response), request.secrets)
    if status in RETRY_STATUS or status >= 500:
        return TryLater(reason, words, response.retry_after)
    if status < 300:
        # A portal of a hotel, or a proxy that has cut the answer.
        return TryLater(reason, f"the answer is not what was asked for ({kind})")
    if status < 400:
        return Misconfigured(reason, "a redirect, which is not followed")
    return Misconfigured(reason, words)


def _text(response: HttpResponse) -> str:
    """Return the text of a page without its tags, as far as it is worth showing."""
    text = response.body[:4096].decode("utf-8", "replace")
    if "html" not in response.field("content-type").lower():
        return text
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|\Z)", " ", text)
    return re.sub(r"(?s)<[^>]*(>|\Z)", " ", text)
