"""Check the options about what is fetched, and about how long fetched mail stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...flows.rules import BadRule, read_rule
from ..sinks.kinds import chosen_sink
from .errors import ConfigError, ConfigWarning, quoted
from .settings import AccountSettings

KEEPING: Final = {"leaveunread": "leave-unread", "deleteafter": "delete-after"}
"""Options that keep fetched mail on the server, and their keywords."""
RULES: Final = {"only": "only", "excepted": "except"}
FILTERS: Final = {"since": "since", **RULES}
TREES: Final = frozenset({"maildir", "append"})
"""Sinks that can keep the tree of folders."""


def reading_faults(account: AccountSettings) -> Iterator[ConfigError]:
    """Yield contradictions between these options and others."""
    for name, keyword in KEEPING.items():
        if getattr(account, name) and account.chose("keep") and not account.keep:
            problem = f"{quoted(keyword)} together with {quoted('no keep')}"
            hint = f"{quoted(keyword)} keeps fetched mail; remove one of them"
            yield ConfigError(account.place(name), problem, hint=hint)
    if account.deleteafter and account.deletelimit < 1:
        problem = "delete-limit must be at least 1"
        hint = 'without "delete-after" nothing is deleted'
        yield ConfigError(account.place("deletelimit"), problem, hint=hint)
    if account.deleteafter and account.fetchall:
        problem = '"delete-after" together with "fetchall"'
        hint = "the same mail would be delivered in every poll, and so never be old enough"
        yield ConfigError(account.place("deleteafter"), problem, hint=hint)
    if account.deleteafter and account.flush:
        problem = '"delete-after" together with "flush"'
        hint = '"flush" deletes all mail that was read before, however old it is'
        yield ConfigError(account.place("deleteafter"), problem, hint=hint)
    for name, keyword in RULES.items():
        for text in getattr(account, name):
            try:
                read_rule(text)
            except BadRule as fault:
                hint = f'write {keyword} "From: @example.org" or {keyword} "List-Id: announce"'
                problem = f"{keyword}: {quoted(text)} {fault}"
                yield ConfigError(account.place(name), problem, hint=hint)
    chosen = [(name, keyword) for name, keyword in FILTERS.items() if getattr(account, name)]
    if account.flush and chosen:
        name, keyword = chosen[0]
        problem = f'{quoted(keyword)} together with "flush"'
        hint = "mail that is left out would be deleted after someone has read it"
        yield ConfigError(account.place(name), problem, hint=hint)
    if account.keeptree:
        yield from _tree_faults(account)


def _tree_faults(account: AccountSettings) -> Iterator[ConfigError]:
    kind = chosen_sink(account)
    place = account.place("keeptree")
    if kind.option not in TREES:
        problem = f'"keep-tree" needs "maildir" or "append", not {kind.title}'
        yield ConfigError(place, problem, hint="only these can keep folders apart")
    elif account.append is not None:
        from .imap_url import BadUrl, read_url

        try:
            target = read_url(account.append)
        except BadUrl:
            # Reported by the check of "append" itself.
            return
        if (target.user, target.host.lower()) == (account.remote_user, account.host.lower()):
            problem = "keep-tree: mail is stored in the account that it is fetched from"
            hint = "the same mail would be fetched again without end"
            yield ConfigError(place, problem, hint=hint)


def reading_warnings(account: AccountSettings) -> Iterator[ConfigWarning]:
    """Yield options that have no effect."""
    over_imap = account.protocol in ("imap", "auto")
    if account.leaveunread and not over_imap:
        problem = (
            f'"leave-unread" is for IMAP; over {account.protocol} messages have no mark that they '
            'are read, and it only keeps them, as "keep" does'
        )
        yield ConfigWarning(account.place("leaveunread"), problem)
    if account.keeptree and not over_imap:
        problem = f'"keep-tree" has no effect over {account.protocol}, which has no folders'
        yield ConfigWarning(account.place("keeptree"), problem)
    if account.chose("deletelimit") and not account.deleteafter:
        problem = '"delete-limit" has no effect without "delete-after"'
        yield ConfigWarning(account.place("deletelimit"), problem)
