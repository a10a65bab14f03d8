"""What is polled on one schedule: an account, or mailboxes that it watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap import is_pattern
from ...flows.outcome import ExitCode
from ...flows.schedule import Schedule
from .accounts import user_at_server
from .pool import PollHooks

TOGETHER = 100
"""Mailboxes that one connection watches: their names fit a command of 8,000 octets."""

WATCHED = 10
"""Connections that one user may hold open to wait for news; Gmail allows 15 in all."""


@dataclass(eq=False)
class Job:
    """What is kept. Times for people are Unix time, 0 for never."""

    settings: AccountSettings
    schedule: Schedule
    watched: bool = False
    state: str = "waiting"
    paused: bool = False
    polls: int = 0
    last_code: ExitCode | None = None
    last_poll: float = 0.0
    last_success: float = 0.0
    key: str = ""
    """What it is known by in the ledger, over reloads and restarts."""
    label: str = ""
    """What people call it where its own name is that of another one, too."""
    under_way: bool = False
    """Whether something would be lost if its poll were cancelled."""
    unwanted: bool = False
    """Whether it is kept no more: then its poll begins no further message."""
    outdated: bool = False
    """Whether its poll goes by rules that a reload has changed: then it is to begin anew."""
    over: trio.Event = field(default_factory=trio.Event)
    """Set once it is kept no more, and its last poll has ended."""
    woken: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.label or self.own_name

    @property
    def own_name(self) -> str:
        """What people would call it if there were no other."""
        user = user_at_server(self.settings)
        if not self.watched:
            return user
        first, *others = self.settings.folders
        return f"{user} ({len(others) + 1} folders)" if others else f"{user} ({first})"

    @property
    def user(self) -> tuple[str, str]:
        """Whose it is, and where."""
        return (self.settings.host, self.settings.remote_user)

    @property
    def is_watching(self) -> bool:
        """Whether its server is to say when there is news."""
        return self.state == "watching"

    def wake(self) -> None:
        """Poll at once."""
        self.schedule.wake()
        self.woken.set()

    def cut_short(self) -> None:
        """End what it does, unless mail is under way: that comes to its end first."""
        if not self.under_way:
            self.scope.cancel()

    def hooks(self) -> PollHooks:
        """Return what a poll of it is to tell and to ask."""
        return PollHooks(
            self.schedule.wait_between, lambda: self.unwanted or self.outdated, self._begun
        )

    def _begun(self) -> None:
        self.state = "polling"
        self.under_way = True


def jobs_for(
    settings: AccountSettings,
    every: float,
    chance: Callable[[], float],
    *,
    apart: bool = False,
    room: int = WATCHED,
) -> Iterator[Job]:
    """Yield what there is to keep of one account.

    Its mailboxes are watched together, or each on its own (``apart``). Those that the server has
    to name first (patterns), and those for which no connection is left of ``room``, are polled in
    turn.
    """
    can_wait = settings.idle and settings.protocol == "imap"
    folders = [name for name in settings.folders if can_wait and not is_pattern(name)]
    most = room if apart else TOGETHER * min(room, 1)
    del folders[most:]
    together = [folders] if folders else []
    for names in [[name] for name in folders] if apart else together:
        yield Job(settings.with_folders(names), Schedule(every, chance), watched=True)
    rest = tuple(name for name in settings.folders if name not in folders)
    if rest or not folders:
        yield Job(settings.with_folders(rest, folders), Schedule(every, chance))
