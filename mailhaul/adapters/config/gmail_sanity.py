"""Check the options of the sink for Gmail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...protocols.oauth.providers import MICROSOFT
from .errors import ConfigError, quoted
from .settings import AccountSettings

GMAIL_HOSTS: Final = frozenset(
    {"imap.gmail.com", "pop.gmail.com", "imap.googlemail.com", "pop.googlemail.com"}
)


def gmail_faults(account: AccountSettings, address: str) -> Iterator[ConfigError]:
    """Yield errors in the address of ``gmail``, and in what goes with it."""
    place = account.place("gmail")
    user, at, domain = address.rpartition("@")
    if not (user and at and domain) or not address.isprintable() or " " in address:
        problem = f"gmail: {quoted(address)} is not the address of a mailbox"
        yield ConfigError(place, problem, hint='write "gmail NAME@gmail.com"')
        return
    same = account.remote_user.lower() in {address.lower(), user.lower()}
    if same and account.host.lower() in GMAIL_HOSTS:
        problem = "gmail: this is the mailbox that mail is fetched from"
        hint = "the same mail would be fetched again without end"
        yield ConfigError(place, problem, hint=hint)
    if account.oauthissuer == MICROSOFT:
        problem = '"gmail" together with "oauthissuer microsoft"'
        hint = (
            "an entry has one issuer: fetch from Microsoft in an entry of its own, into a Maildir"
        )
        yield ConfigError(place, problem, hint=hint)
