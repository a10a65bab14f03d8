"""What is known of a token, as a value, and how it changes. How it is kept is in store.py."""

from __future__ import annotations

import json
from typing import Any, cast

from ...protocols.oauth.results import Tokens
from ...protocols.record import Record, replace
from ...protocols.secret import Secret
from .accounts import TokenOwner

VERSION = 1
DEFAULT_LIFETIME = 3600
"""Seconds that a token is used if the issuer does not say how long it is valid."""
WAITS = (60, 240, 900, 1260)
"""Seconds of rest after the first failure, the second and so on: at most five tries in an hour,
also if the first one is repeated at once."""
MAX_WAIT = 3600
"""Seconds that an issuer may ask us to wait; it is asked again then, whatever it said."""
REPLACE_INTERVAL = 720
"""Seconds in which one mail server gets one new token in place of a refused one: five an hour."""
MAX_REFUSAL_AGE = 30 * 24 * 3600
"""Seconds after which the refusals of a server that is no longer used are forgotten."""

CONSENT, LATER, SETTINGS, MAIL = "consent", "later", "settings", "mail"
"""Kinds of failures. MAIL: a mail server refuses a token that the issuer has just given."""


class Refusal(Record):
    """What one mail server thinks of the tokens. Times are in seconds since 1970.

    ``replaced`` is the time of the last token that was got because this server had refused the one
    before. After ``failures`` in a row nothing is tried at this server before ``next_try``;
    ``words`` are its own.
    """

    replaced: float = 0.0
    failures: int = 0
    next_try: float = 0.0
    words: str = ""


NEVER_REFUSED = Refusal()


class SavedToken(Record):
    """What is known of an owner. Times are in seconds since 1970.

    ``access`` is valid until ``expires``. ``scope`` is what was granted, and ``asked`` what was
    requested by a grant without a consent. ``seed`` is the hash of the refresh token that was given
    from outside, and from which this one comes. After ``failures`` of the issuer in a row nothing
    is tried before ``next_try``; ``kind``, ``reason`` and ``words`` say why the last one failed.
    ``server`` are the endpoints that were discovered at ``discovered``. ``refusals`` are those of
    the mail servers, by their names: one of them says nothing about another.
    """

    access: Secret | None = None
    expires: float = 0.0
    obtained: float = 0.0
    refresh: Secret | None = None
    scope: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    seed: str = ""
    failures: int = 0
    next_try: float = 0.0
    kind: str = ""
    reason: str = ""
    words: str = ""
    server: tuple[tuple[str, str], ...] = ()
    discovered: float = 0.0
    refusals: tuple[tuple[str, Refusal], ...] = ()

    def refusal(self, server: str) -> Refusal:
        """Return what a mail server thinks of the tokens."""
        return dict(self.refusals).get(server, NEVER_REFUSED)

    def with_refusal(self, server: str, refusal: Refusal) -> SavedToken:
        """Return the same with this said by a mail server."""
        known = {**dict(self.refusals), server: refusal}
        kept = {name: one for name, one in known.items() if one != NEVER_REFUSED}
        return replace(self, refusals=tuple(sorted(kept.items(), key=lambda item: item[0])))


NOTHING = SavedToken()
SECRETS = ("access", "refresh")
PAIRS = ("server",)
LISTS = ("scope", "asked")
REFUSALS = "refusals"
ITEM = "item"
"""The field that names the entry of the keyring in which the secrets are."""


# Changes


def renewed(saved: SavedToken, tokens: Tokens, now: float) -> SavedToken:
    """Return what to save after a success. What mail servers have refused stays."""
    lifetime = DEFAULT_LIFETIME if tokens.expires_in is None else tokens.expires_in
    oldest = now - MAX_REFUSAL_AGE
    refusals = tuple(
        (name, one)
        for name, one in saved.refusals
        if (one.failures and one.next_try > oldest) or now - one.replaced < REPLACE_INTERVAL
    )
    return replace(
        saved,
        access=tokens.access_token,
        expires=now + lifetime,
        obtained=now,
        refresh=tokens.refresh_token or saved.refresh,
        scope=tokens.scope,
        failures=0,
        next_try=0.0,
        kind="",
        reason="",
        words="",
        refusals=refusals,
    )


def failed(
    saved: SavedToken, kind: str, reason: str, words: str, now: float, seconds: int | None = None
) -> SavedToken:
    """Return what to save after a failure of the issuer, which may ask for a pause."""
    wait = WAITS[min(saved.failures, len(WAITS) - 1)]
    return replace(
        saved,
        failures=saved.failures + 1,
        next_try=now + max(wait, min(seconds or 0, MAX_WAIT)),
        kind=kind,
        reason=reason,
        words=words,
    )


def refused_by(saved: SavedToken, server: str, words: str, now: float) -> SavedToken:
    """Return what to save after a mail server has refused a token, and what came in its place."""
    before = saved.refusal(server)
    wait = WAITS[min(before.failures, len(WAITS) - 1)]
    refusal = Refusal(before.replaced, before.failures + 1, now + wait, words)
    return saved.with_refusal(server, refusal)


def accepted_by(saved: SavedToken, server: str) -> SavedToken:
    """Return what to save after a login. A failure elsewhere is not over by that."""
    return saved.with_refusal(server, Refusal(saved.refusal(server).replaced))


def replaced_for(saved: SavedToken, server: str, now: float) -> SavedToken:
    """Return the same with a token that was got because a mail server had refused another one."""
    return saved.with_refusal(server, replace(saved.refusal(server), replaced=now))


def was_replaced(saved: SavedToken, server: str, now: float) -> bool:
    """Whether this server has had its new token: the reason of another refusal is elsewhere."""
    refusal = saved.refusal(server)
    # A clock that was set back makes the time negative.
    return refusal.failures > 0 or 0 <= now - refusal.replaced < REPLACE_INTERVAL


def rests(failures: int, next_try: float, now: float) -> bool:
    """Whether nothing is tried now, because something has failed a short time ago."""
    return failures > 0 and 0 < next_try - now <= MAX_WAIT


# As a document


def document(owner: TokenOwner, token: SavedToken, **more: object) -> bytes:
    """Return the content of a file. ``more`` are further fields, which take the place of others."""
    fields: dict[str, object] = {name: getattr(token, name) for name in SavedToken.__match_args__}
    for name in SECRETS:
        value = fields[name]
        fields[name] = value.reveal().decode("ascii") if isinstance(value, Secret) else None
    fields["server"] = dict(token.server)
    fields[REFUSALS] = {
        server: {name: getattr(one, name) for name in Refusal.__match_args__}
        for server, one in token.refusals
    }
    names = {name: getattr(owner, name) for name in TokenOwner.__match_args__}
    whole = {"version": VERSION, "owner": names, **fields, **more}
    return json.dumps(whole, indent=1).encode() + b"\n"


def read_document(data: bytes) -> tuple[TokenOwner, SavedToken] | None:
    """Return the owner and the token in a file; None if it is not valid."""
    found = json_of(data)
    try:
        names = found["owner"]
        owner = TokenOwner(*(text(names[name]) for name in TokenOwner.__match_args__))
        fields: dict[str, Any] = {
            name: field_of(name, found.get(name), getattr(NOTHING, name))
            for name in SavedToken.__match_args__
        }
        return owner, SavedToken(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def json_of(data: bytes) -> dict[str, Any]:
    """Return the JSON object in a file; an empty one for anything else."""
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def field_of(name: str, value: Any, default: Any) -> object:
    """Return the value of a field. Raises ValueError, TypeError and AttributeError.

    A field may have been added by a later version.
    """
    if value is None:
        return default
    if name in SECRETS:
        return Secret(text(value).encode("ascii"))
    if name in LISTS:
        return tuple(text(item) for item in value)
    if name in PAIRS:
        return tuple((text(key), text(item)) for key, item in value.items())
    if name == REFUSALS:
        return tuple((text(server), refusal_of(one)) for server, one in value.items())
    return type(default)(value)


def refusal_of(value: Any) -> Refusal:
    """Return the refusal in a JSON object. Raises ValueError, TypeError and AttributeError."""
    fields: dict[str, Any] = {}
    for name in Refusal.__match_args__:
        default: Any = getattr(NEVER_REFUSED, name)
        fields[name] = type(default)(value.get(name, default))
    return Refusal(**fields)


def text(value: object) -> str:
    """Return a value that must be a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
