"""``mailhaul login --list``: the tokens that are saved, without the tokens themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from ...adapters.config.settings import GlobalSettings
from ...adapters.oauth.accounts import TokenOwner
from ...adapters.oauth.saved import CONSENT, SavedToken
from ...adapters.oauth.store import all_tokens
from ..polls.lines import escape
from ..polls.status import TIME_OR_NULL, as_text, closed, shown
from ..polls.times import iso


def token_list(folder: str, settings: GlobalSettings | None, *, as_json: bool) -> str:
    """Return a list of all tokens in the state folder, or in the store, as text.

    Raises PollFailed.
    """
    found: Sequence[tuple[TokenOwner, SavedToken]]
    if settings is not None and settings.oauthstore.lower() == "store":
        from ..polls.shared_store import saved_tokens  # few users have one

        found = saved_tokens(settings)
    else:
        found = list(all_tokens(os.path.join(folder, "tokens")))
    if as_json:
        return as_text(document(found))
    return "".join(f"{line}\n" for line in table(found))


def table(found: Sequence[tuple[TokenOwner, SavedToken]]) -> list[str]:
    """Return a table with one line for each token."""
    if not found:
        return ["there are no tokens"]
    rows = [("USER", "ISSUER", "GRANT", "EXPIRES", "STATE", "SCOPE")]
    rows += [
        (
            *(escape(owner.user), escape(owner.issuer), owner.grant),
            moment(token.expires) if token.access is not None else "-",
            state_of(token),
            escape(" ".join(token.scope)) or "-",
        )
        for owner, token in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def state_of(token: SavedToken) -> str:
    """Return what is known of a token in a word or two."""
    if token.failures:
        return "consent needed" if token.kind == CONSENT else token.reason
    if refused := [server for server, one in token.refusals if one.failures]:
        return f"refused by {', '.join(map(escape, refused))}"
    if token.expires > time.time():
        return "valid"
    return "expired" if token.refresh is None else "renewed when needed"


def moment(when: float) -> str:
    """Return a time in the local time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(when))


def document(found: Sequence[tuple[TokenOwner, SavedToken]]) -> dict[str, Any]:
    """Return what ``--json`` prints; see ``SCHEMA``."""
    return {
        "tokens": [
            {
                "user": shown(owner.user),
                "issuer": shown(owner.issuer),
                "grant": owner.grant,
                "expires": iso(token.expires) if token.access is not None else None,
                "renewable": token.refresh is not None,
                "state": state_of(token),
                "scope": list(map(shown, token.scope)),
            }
            for owner, token in found
        ]
    }


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:mailhaul:schema:login",
    "title": "mailhaul login --list --json",
    "description": "The OAuth tokens that are saved, without the tokens themselves.",
    **closed(
        {
            "tokens": {
                "type": "array",
                "items": closed(
                    {
                        "user": {"type": "string"},
                        "issuer": {"type": "string"},
                        "grant": {"type": "string"},
                        "expires": {**TIME_OR_NULL, "description": "When the access token ends."},
                        "renewable": {"type": "boolean"},
                        "state": {"type": "string", "description": "A word or two for people."},
                        "scope": {"type": "array", "items": {"type": "string"}},
                    }
                ),
            }
        }
    ),
}
