"""Where the mail of an account goes: its sink."""

from __future__ import annotations

import os
from collections.abc import Callable

from ...adapters.config.settings import AccountSettings
from ...adapters.sinks.kinds import SinkOrder, chosen_sink, name_of_sink, sink_value
from ...flows.outcome import ExitCode, PollFailed
from ...flows.sink import Sink
from .context import PollContext


def sink_of(settings: AccountSettings, context: PollContext) -> tuple[str, Callable[[], Sink]]:
    """Return the name of the sink of an account, and a function that makes it.

    Raises PollFailed (AUTHFAIL) if its password is missing.
    """
    kind = chosen_sink(settings)
    value = sink_value(kind, settings)
    if kind.password and getattr(settings, kind.password) is None and settings.plugout is None:
        place = settings.place(kind.option)
        problem = f"{place}: can't find a password for {value}. "
        hint = f'Give one with "{kind.password}" or in ~/.netrc'
        raise PollFailed(ExitCode.AUTHFAIL, problem + hint)
    order = SinkOrder(
        value,
        settings,
        context.hostname,
        spool_folder(),
        context.globals.postmaster,
        context.globals.invisible,
        context.tap_for,
    )
    return name_of_sink(kind, settings), lambda: kind.make(order)


def spool_folder() -> str:
    """Return the folder for messages that are too large for memory."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - files there have no name
