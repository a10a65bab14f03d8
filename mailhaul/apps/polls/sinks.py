"""Where the mail of an account goes: its sink."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ...adapters.config.secret_table import way_of
from ...adapters.config.settings import AccountSettings
from ...adapters.login.access import TokenSource
from ...adapters.sinks.kinds import (
    SinkKind,
    SinkOrder,
    chosen_sink,
    name_of_sink,
    sink_value,
)
from ...flows.outcome import ExitCode, PollFailed
from ...flows.sink import Sink
from ...protocols.record import replace
from ...protocols.secret import Secret
from .context import PollContext

if TYPE_CHECKING:
    from ...adapters.ledger.uploads import Uploads


Levels = tuple[bytes, ...]
"""The levels of a mailbox's name."""


class MakeSink(Protocol):
    """Makes the sink of an account, or with levels that for one of its mailboxes."""

    def __call__(self, levels: Levels = (), /) -> Sink:
        """Return a new sink."""
        ...


def sink_of(settings: AccountSettings, context: PollContext) -> tuple[str, MakeSink]:
    """Return the name of the sink of an account, and a function that makes it.

    Raises PollFailed (AUTHFAIL) if its password is missing.
    """
    kind = chosen_sink(settings)
    value = sink_value(kind, settings)
    if lacks_password(kind, settings, context):
        place = settings.place(kind.option)
        problem = f"{place}: can't find a password for {value}. "
        hint = f'Give one with "{kind.password}" or in ~/.netrc'
        raise PollFailed(ExitCode.AUTHFAIL, problem + hint)

    sink = name_of_sink(kind, settings)
    known: dict[tuple[str, str], Secret | None] = {}

    async def read_secret(name: str, host: str) -> Secret | None:
        # In .netrc each host has its own one. It is read once for all connections of the poll.
        key = (name, "" if way_of(settings, name) else host)
        if key not in known:
            known[key] = await read_secret_of(settings, context, name, hosts=(host,))
        return known[key]

    order = SinkOrder(
        value,
        settings,
        context.hostname,
        spool_folder(),
        context.globals.postmaster,
        context.globals.invisible,
        context.tap_for,
        read_secret,
        partial(sink_tokens, settings, context),
        lambda: sink_uploads(sink, context),
    )

    def make(levels: Levels = (), /) -> Sink:
        return kind.make(replace(order, levels=levels) if levels else order)

    return sink, make


def sink_tokens(
    settings: AccountSettings, context: PollContext, use: str, user: str, host: str
) -> TokenSource:
    """Return where the tokens for a sink come from."""
    from .tokens import tokens_for  # few accounts need it

    return tokens_for(settings, context, use, user, host)


def sink_uploads(name: str, context: PollContext) -> Uploads:
    """Return what a sink remembers in the ledger."""
    from ...adapters.ledger.names import sink_name
    from ...adapters.ledger.uploads import Uploads  # one kind of sink needs it

    return Uploads(context.ledger, sink_name(name))


async def read_secret_of(
    settings: AccountSettings,
    context: PollContext,
    name: str,
    hosts: tuple[str, ...] | None = None,
) -> Secret | None:
    """Read a secret, for these hosts if it has others, and hide it in all lines.

    Raises PollFailed (IOERR).
    """
    from ...adapters.config.secrets import SecretReader, read_in_flow

    reader = SecretReader(settings, name, context.caller.home, hosts=hosts)
    try:
        secret = await read_in_flow(reader)
    finally:
        context.tell_all(reader.warnings)
    if secret is not None:
        context.hide(secret)
    return secret


def lacks_password(kind: SinkKind, settings: AccountSettings, context: PollContext) -> bool:
    """Whether a sink needs a password that no option names and .netrc does not have."""
    if not kind.password or settings.plugout is not None or settings.appendauth == "oauth":
        return False
    if getattr(settings, kind.password) is not None or way_of(settings, kind.password):
        return False
    from ...adapters.config.secrets import SecretReader

    return SecretReader(settings, kind.password, context.caller.home).read() is None


def spool_folder() -> str:
    """Return the folder for messages that are too large for memory."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - files there have no name
