"""Why there is no token, in one sentence for the user, with the next step."""

from __future__ import annotations

from ...protocols.oauth.advice import advice_for
from ...protocols.oauth.providers import missing_scope
from ...protocols.oauth.results import ConsentNeeded, Misconfigured, Refused, Tokens, TryLater
from .accounts import OAuthAccount
from .saved import CONSENT, SETTINGS, Refusal, SavedToken


def sentence_of(account: OAuthAccount, saved: SavedToken) -> str:
    """Return why the issuer gives no token, and the next step."""
    owner = account.owner
    why = f"{saved.reason}: {saved.words}" if saved.words else saved.reason
    advice = advice_for(owner.issuer, owner.grant, refusal_in(saved))
    more = f"; {advice}" if advice else ""
    command = f'"mailhaul login {account.label}"'
    match saved.kind:
        case "consent" if saved.reason == "no_consent":
            return f"{account.label}: consent needed: there is no token yet; type {command}"
        case "consent":
            return (
                f"{account.label}: consent needed: {owner.issuer} says {why}; type {command}{more}"
            )
        case "settings":
            return f"{account.place}: {account.label}: {owner.issuer} says {why}{more}"
        case _:
            return f"{account.label}: {owner.issuer} gives no token now ({why})"


def sentence_of_refusal(account: OAuthAccount, server: str, refusal: Refusal) -> str:
    """Return that a mail server refuses the tokens, and what it says."""
    why = f"{server}: {refusal.words}" if server else refusal.words
    return f"{account.label}: the mail server refuses a new token ({why})"


def refusal_in(saved: SavedToken) -> Refused:
    """Return the last refusal of the issuer as a value."""
    if saved.kind == CONSENT:
        return ConsentNeeded(saved.reason, saved.words)
    kind = Misconfigured if saved.kind == SETTINGS else TryLater
    return kind(saved.reason, saved.words)


def lacking(asked: tuple[str, ...], tokens: Tokens) -> str:
    """Return a sentence about permissions that the user did not give, or ""."""
    missing = missing_scope(asked, tokens.scope)
    if not missing:
        return ""
    return f"the consent does not include {', '.join(missing)}: sign in again and allow all of it"
