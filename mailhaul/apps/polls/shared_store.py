"""A store that several machines share, for one run: its entries are claimed, and given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ...adapters.config.settings import AccountSettings
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import Record, replace
from .context import PollContext
from .lines import Lines
from .state_folder import store_of

if TYPE_CHECKING:
    from ...adapters.config.settings import GlobalSettings
    from ...adapters.oauth.accounts import TokenOwner
    from ...adapters.oauth.saved import SavedToken
    from ...adapters.postgres.copy import StoreCopy
    from ...adapters.postgres.store import PostgresLedger
    from ...adapters.postgres.tokens import SharedTokenStore

EXTRA = 'a store in PostgreSQL needs psycopg: install "mailhaul[postgres]"'


def shared_ledger(url: str) -> PostgresLedger:
    """Return the ledger in a store, not yet opened. Raises PollFailed (IOERR) without psycopg."""
    if find_spec("psycopg") is None:
        raise PollFailed(ExitCode.IOERR, EXTRA)
    from ...adapters.postgres.store import PostgresLedger

    return PostgresLedger(url)


def shared_copy(url: str) -> StoreCopy:
    """Return a copy in memory of a store. Raises PollFailed (IOERR) without psycopg."""
    if find_spec("psycopg") is None:
        raise PollFailed(ExitCode.IOERR, EXTRA)
    from ...adapters.postgres.copy import StoreCopy

    return StoreCopy(url)


class Claimed(Record):
    """What of a run may be polled: the context for it, and the places of its entries.

    ``others`` are sentences about the entries that other machines are polling.
    """

    context: PollContext
    places: Sequence[int]
    epochs: Mapping[str, int]
    others: Mapping[str, str]


def claim_all(
    context: PollContext, accounts: Sequence[AccountSettings], names: Sequence[str], lines: Lines
) -> Claimed:
    """Become a worker, and claim the entries that no other machine has. Raises PollFailed."""
    from ...adapters.postgres.claims import Entry, claim

    ledger = postgres_of(context)
    worker = ledger.join(context.hostname, context.globals.lease, lines.complain)
    entries = [
        Entry(name, settings.host, settings.remote_user)
        for name, settings in zip(names, accounts, strict=True)
    ]
    found = claim(ledger.database, worker.id, entries)
    claimed = {name: ledger.fenced(name, epoch) for name, epoch in found.epochs.items()}
    stopping = partial(stops, context.stopping, worker.is_current)
    return Claimed(
        replace(context, claimed=claimed, stopping=stopping),
        [place for place, name in enumerate(names) if name in claimed],
        found.epochs,
        {
            name: f"another mailhaul ({who or 'unknown'}) is polling this account"
            for name, who in found.others.items()
        },
    )


def stops(before: Callable[[], bool], is_current: Callable[[], bool]) -> bool:
    """Whether no further message is begun: also when others may have taken over the accounts."""
    return before() or not is_current()


def release_all(claimed: Claimed, codes: Mapping[str, ExitCode]) -> None:
    """Give back the entries, with how their polls ended. Raises PollFailed."""
    from ...adapters.postgres.claims import release

    ledger = postgres_of(claimed.context)
    for name, epoch in claimed.epochs.items():
        release(ledger.database, name, epoch, codes.get(name))


def token_store(context: PollContext, owner: TokenOwner) -> SharedTokenStore:
    """Return where the tokens of an owner are kept, for all machines."""
    from ...adapters.postgres.tokens import SharedTokenStore, TokenKeys

    keys = TokenKeys(context.globals.storekeyfile or "")
    return SharedTokenStore(context.tokens, owner, token_ledger(context), keys, context.warn)


def token_ledger(context: PollContext) -> PostgresLedger:
    """Return the ledger of a context, or the same store if the context has a copy of it."""
    from ...adapters.postgres.store import PostgresLedger

    if isinstance(context.ledger, PostgresLedger):
        return context.ledger
    url = store_of(context.globals)
    if url not in _ledgers:
        _ledgers[url] = shared_ledger(url)
    return _ledgers[url]


_ledgers: dict[str, PostgresLedger] = {}
"""The stores of commands whose context has a copy, by URL."""


def saved_tokens(settings: GlobalSettings) -> Sequence[tuple[TokenOwner, SavedToken]]:
    """Return all tokens in the store. Raises PollFailed."""
    from ...adapters.postgres.tokens import TokenKeys, shared_tokens

    ledger = shared_ledger(store_of(settings))
    try:
        return list(shared_tokens(ledger, TokenKeys(settings.storekeyfile or "")))
    finally:
        ledger.close()


def postgres_of(context: PollContext) -> PostgresLedger:
    """Return the ledger of a context whose store is shared."""
    from ...adapters.postgres.store import PostgresLedger

    if not isinstance(context.ledger, PostgresLedger):
        raise TypeError("the store of this run is not shared")
    return context.ledger
