"""Polls side by side as tasks of a trio program, within the limits of limited.py."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import trio

from ...adapters.config.settings import AccountSettings
from ...flows.outcome import ExitCode, PollCounts, PollFailed
from ...flows.requests import Flow
from ...protocols.record import replace
from ...runtimes import trio as runtime
from ...runtimes.batch_worker import BatchWorker
from ...runtimes.engine import Engine
from .accounts import user_at_server
from .alerts import News, run_on_delivery, tell
from .context import PollContext
from .limited import NO_HOOKS, TOTAL, Hooks, LimitedPoll, Limits, Measure
from .lines import Lines, LinesOfPoll
from .places import Holding
from .poll import report_failure
from .server_places import ServerSlot
from .watching import PollEnded, watch

T = TypeVar("T")


class PollPool:
    """Runs polls, each when there is room for it. Later polls use the ``context`` of that time."""

    def __init__(self, context: PollContext, total: int = TOTAL) -> None:
        context = replace(context, hold=lambda: trio.CancelScope(shield=True))
        self._limits = Limits(context, trio.current_time, total)
        self._batch_worker = BatchWorker()
        # A thread for each poll: a thread that hangs does not keep another poll waiting.
        self._threads = runtime.Threads(total)

    @property
    def context(self) -> PollContext:
        """The context of the polls that begin now."""
        return self._limits.context

    @context.setter
    def context(self, context: PollContext) -> None:
        self._limits.context = context

    @property
    def connections(self) -> int:
        """How many connections to mail servers are open, except those that wait for new mail."""
        return self._limits.connections

    def share_with(self, machines: int) -> None:
        """Share the listeners that are not on this machine with so many, this one included."""
        self._limits.share_with(machines)

    def refusals(self) -> Mapping[str, int]:
        """Return a number for each server that has refused connections; it grows with them."""
        return self._limits.refusals()

    async def poll(
        self, settings: AccountSettings, lines: Lines, hooks: Hooks = NO_HOOKS
    ) -> ExitCode:
        """Poll one account when there is room; its lines go to ``lines``. See ``LimitedPoll``."""
        poll = LimitedPoll(self._limits, settings, lines, hooks)
        return await self._run(poll.run(), poll.engine)

    def watch(
        self,
        settings: AccountSettings,
        lines: Lines,
        on_poll_end: PollEnded,
        hooks: Hooks = NO_HOOKS,
    ) -> Coroutine[Any, Any, ExitCode]:
        """Poll mailboxes whenever their server reports new mail; see ``watching.watch``.

        Connecting and the first poll count against the limits of all polls; later polls do not.
        """
        # Thousands of connections wait in this: no frame of its own, and no closure.
        limits = self._limits
        limits.register(settings)
        slot = limits.slot(settings)
        measure = Measure(lines.of(hooks.name or user_at_server(settings)), limits.clock, hooks)
        flow = watch_when_there_is_room(limits, settings, slot, measure, on_poll_end)
        return self._run(flow, limits.engine(settings, slot))

    async def tell(self, news: News, settings: AccountSettings, lines: Lines) -> bool:
        """Tell the user about a change; return whether that is done; see ``alerts.tell``."""
        context, engine = self._beside(settings, lines.of(news.alert.entry))
        return await self._run(tell(news, settings, context, lines), engine)

    async def run_on_delivery(
        self,
        entry: str,
        settings: AccountSettings,
        code: ExitCode,
        counts: PollCounts,
        lines: Lines,
    ) -> None:
        """Run the command of ``on-delivery``; see ``alerts.run_on_delivery``."""
        context, engine = self._beside(settings, lines.of(entry))
        flow = run_on_delivery(entry, settings, context, code, counts, lines)
        await self._run(flow, engine)

    def _beside(self, settings: AccountSettings, lines: LinesOfPoll) -> tuple[PollContext, Engine]:
        """Return the context and the engine of what is done beside the polls."""
        limits = self._limits
        limits.register(settings)
        return limits.context_for(lines, NO_HOOKS), limits.engine(settings)

    def _run(self, flow: Flow[T], engine: Engine) -> Coroutine[Any, Any, T]:
        """Return what runs a flow."""
        return runtime.run(flow, engine, self._batch_worker, self._threads)


async def watch_when_there_is_room(
    limits: Limits,
    settings: AccountSettings,
    slot: ServerSlot,
    measure: Measure,
    on_poll_end: PollEnded,
) -> ExitCode:
    """Connect and poll when there is room, then wait for news without a place among the polls."""
    total = Holding(limits.total)
    try:
        with_password = await limits.with_password(settings, measure.lines, measure.hooks)
    except PollFailed as failure:
        code = report_failure(failure, settings, measure.lines)
        measure.end(code)
        on_poll_end(code, False)
        return code
    try:
        await slot.begin()
        await total.begin()
        context = limits.context_for(measure.lines, measure.hooks, slot)
        ended = partial(give_back, slot, total, measure, on_poll_end)
        return await watch(with_password, context, measure.lines, ended, measure.begin)
    finally:
        slot.end()
        total.end()


def give_back(
    slot: ServerSlot,
    total: Holding,
    measure: Measure,
    on_poll_end: PollEnded,
    code: ExitCode,
    pushes_news: bool,
) -> None:
    """Give back the places of a poll that has ended, and report its end."""
    slot.end()
    total.end()
    measure.end(code)
    on_poll_end(code, pushes_news)
