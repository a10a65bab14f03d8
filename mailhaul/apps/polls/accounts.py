"""From an account's settings: what the flows need, its names, and its password."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...adapters.config.secret_table import needs_password, way_of
from ...adapters.config.settings import AccountSettings, GlobalSettings
from ...adapters.ledger.names import account_name, is_loopback, same_user
from ...flows.account import Account, OnRetrieveError
from ...flows.fate import Policy
from ...flows.host_names import BadHostName, ascii_host
from ...flows.outcome import ExitCode, PollFailed
from ...protocols.secret import Secret
from .lines import escape

if TYPE_CHECKING:
    from ...adapters.config.secrets import SecretReader
    from ...flows.rules import Rules
    from .context import PollContext

KEEP_ALL = Policy()


def policy_of(settings: AccountSettings, globals: GlobalSettings) -> Policy:
    """Return the policy for mail that the sink refuses permanently."""
    antispam = frozenset(code for code in settings.antispam if code > 0)
    return Policy(globals.softbounce, globals.bouncemail, globals.spambounce, antispam)


def account_of(settings: AccountSettings, check: bool, policy: Policy = KEEP_ALL) -> Account:
    """Return the account as the poll needs it."""
    return Account(
        name=name_of(settings),
        same_user=same_user(settings.kind.family, settings.remote_user),
        user=settings.remote_user,
        pollname=settings.pollname,
        truename=settings.host,
        mailboxes=settings.folders or ("INBOX",),
        elsewhere=settings.elsewhere,
        keep=settings.keeps,
        fetchall=settings.fetchall,
        flush=settings.flush,
        limit=settings.limit,
        limitflush=settings.limitflush,
        warnings=settings.warnings,
        fetchlimit=settings.fetchlimit,
        expunge=settings.expunge,
        check_only=check,
        retrieve_error=OnRetrieveError(settings.retrieve_error),
        policy=policy,
        by_ledger=settings.by_ledger,
        delete_after=settings.deleteafter,
        delete_limit=settings.deletelimit,
        rules=rules_of(settings),
        once=settings.has_copies,
    )


def rules_of(settings: AccountSettings) -> Rules | None:
    """Return the rules for what is fetched, if there are any."""
    if not (settings.since or settings.only or settings.excepted):
        return None
    from .rules import make_rules  # few accounts have rules

    return make_rules(settings)


def name_of(settings: AccountSettings) -> str:
    """Return the name of an account in the ledger, which does not depend on its spelling."""
    place = ""
    port = "" if settings.service is None else str(settings.service)
    host = settings.host
    is_local = is_loopback(host)
    if settings.plugin is not None or is_local:
        # A tunnel or a command may lead to any server; only the poll name identifies it.
        place = settings.known_as
    if settings.plugin is not None and "%h" not in settings.plugin:
        place = f"{place}: {' '.join(settings.plugin.split())}"
    try:
        host = "localhost" if is_local else ascii_host(host)
    except BadHostName:
        # The error is reported when the name is looked up.
        host = settings.host
    return account_name(settings.kind.family, settings.remote_user, host, port, place)


def user_at_server(settings: AccountSettings) -> str:
    """Return the name of an account in log lines."""
    return f"{settings.remote_user}@{settings.pollname}"


def keys_for(accounts: Sequence[AccountSettings]) -> Sequence[str]:
    """Return a key for each account, which stays the same over runs and reloads.

    It is the user and the server. If one user has several entries at one server, the folders are
    added, then the protocol and the port, then a number.
    """
    keys = [user_at_server(one) for one in accounts]
    for detail in (folders_of, service_of):
        times = Counter(keys)
        keys = [
            key + detail(one) if times[key] > 1 else key
            for key, one in zip(keys, accounts, strict=True)
        ]
    seen: Counter[str] = Counter()
    for place, key in enumerate(keys):
        seen[key] += 1
        keys[place] = key if seen[key] == 1 else f"{key} #{seen[key]}"
    return keys


def folders_of(settings: AccountSettings) -> str:
    """Return the part of a key for entries that differ in their folders."""
    usual = settings.folders in ((), ("INBOX",))
    return "" if usual else f" ({','.join(settings.folders)})"


def service_of(settings: AccountSettings) -> str:
    """Return the part of a key for entries that differ in protocol or port."""
    port = f":{settings.service}" if settings.service is not None else ""
    return f" {settings.protocol}{port}"


def with_password(settings: AccountSettings, context: PollContext) -> AccountSettings:
    """Return the settings with a password: from where it is kept, or typed at the terminal.

    Raises PollFailed: AUTHFAIL without a terminal, IOERR if the file or command fails.
    """
    if not reads_password(settings):
        return settings
    reader = password_reader(settings, context)
    try:
        password = reader.read()
    finally:
        context.tell_all(reader.warnings)
    if password is not None:
        return settings.with_password(password)
    if not os.isatty(0):
        raise PollFailed(
            ExitCode.AUTHFAIL,
            f"can't find a password for {user_at_server(settings)}. "
            "Give one in the rc file or in ~/.netrc",
        )
    return ask_password(settings)


def reads_password(settings: AccountSettings) -> bool:
    """Whether the password has to be read from another place than the rc file."""
    if settings.password is not None:
        return False
    return way_of(settings, "password") is not None or needs_password(settings)


def password_reader(settings: AccountSettings, context: PollContext) -> SecretReader:
    """Return a reader of the password at the server."""
    from ...adapters.config.secrets import SecretReader  # not needed if the rc file has it

    return SecretReader(settings, "password", context.caller.home)


def with_typed_password(settings: AccountSettings, home: str) -> AccountSettings:
    """Ask for a password at the terminal, if there is one and it is kept nowhere else."""
    if not needs_password(settings) or not os.isatty(0):
        return settings
    from ...adapters.config.secrets import SecretReader

    if SecretReader(settings, "password", home).read() is not None:
        return settings
    return ask_password(settings)


def ask_password(settings: AccountSettings) -> AccountSettings:
    """Return the settings with a password that the user types."""
    from getpass import getpass

    typed = getpass(f"Enter password for {escape(user_at_server(settings))}: ")
    password = Secret(typed.encode("utf-8", "surrogateescape"))
    return settings.with_password(password, typed=True)
