"""Keeps accounts polled, each on its own schedule, until it is told to stop.

A *post* is one thing that is kept: an account, or those of its mailboxes of which the server tells
(``idle``): all of them over one connection, or each over its own.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import trio

from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap import is_pattern
from ...adapters.sources.imap_notify import NotWatched
from ...flows.outcome import ExitCode
from ...flows.schedule import GOOD, Schedule
from ..cli.interrupted import place_of
from ..cli.lines import Lines
from .crew import Crew

TOGETHER = 100
"""Mailboxes that one connection watches: their names fit a command of 8,000 octets."""
WATCHED = 10
"""Connections that one user may hold open to wait for news; Gmail allows 15 in all."""
LAST_SECONDS = 20.0
"""How long messages in flight may take to arrive once the daemon is to stop."""
SOON = 5.0
"""Seconds before a connection that broke while it waited for news is made anew."""


@dataclass(eq=False)
class Post:
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
    over: trio.Event = field(default_factory=trio.Event)
    """Set once it is kept no more, and its last poll has ended."""
    woken: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def name(self) -> str:
        """What people call it."""
        whose = f"{self.settings.remote_user}@{self.settings.pollname}"
        if not self.watched:
            return whose
        first, *others = self.settings.folders
        return f"{whose} ({len(others) + 1} folders)" if others else f"{whose} ({first})"

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


def posts_of(
    settings: AccountSettings,
    every: float,
    chance: Callable[[], float],
    *,
    apart: bool = False,
    room: int = WATCHED,
) -> Iterator[Post]:
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
        yield Post(settings.with_folders(names), Schedule(every, chance), watched=True)
    rest = tuple(name for name in settings.folders if name not in folders)
    if rest or not folders:
        yield Post(settings.with_folders(rest, folders), Schedule(every, chance))


class Keeper:
    """Keeps the posts of a configuration. ``run`` returns once ``stop`` was called."""

    def __init__(
        self,
        crew: Crew,
        lines: Lines,
        *,
        chance: Callable[[], float] = random.random,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.posts: list[Post] = []
        self.last_success: dict[str, float] = {}
        """When a poll went well last, by the names of posts: in Unix time, by this daemon or one
        before."""
        self._accounts: Sequence[AccountSettings] = ()
        self._interval = 0.0
        self._apart: set[tuple[object, ...]] = set()
        self._leaving: list[Post] = []
        self.stopping = False
        self._crew = crew
        self._lines = lines
        self._chance = chance
        self._wall_clock = wall_clock
        self._nursery: trio.Nursery | None = None
        self._stopped = trio.Event()

    async def run(self) -> None:
        """Keep what there is, and what comes, until ``stop``."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for post in self.posts:
                nursery.start_soon(self._keep, post)
            await self._stopped.wait()
            with trio.move_on_after(LAST_SECONDS):
                while any(post.state == "polling" for post in [*self.posts, *self._leaving]):
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """Begin no further message, finish what is under way, and come to an end."""
        self.stopping = True
        for post in self.posts:
            if post.state != "polling":
                post.scope.cancel()
        self._stopped.set()

    def keep(self, accounts: Sequence[AccountSettings], interval: float) -> None:
        """Keep these accounts from now on. Those that have not changed go on undisturbed."""
        self._accounts, self._interval = accounts, interval
        wanted = list(self._posts_of(accounts))
        there = {self._identity(post): post for post in self.posts}
        kept = [there.pop(self._identity(post), post) for post in wanted]
        for post in there.values():
            # What is under way comes to its end first.
            if post.state != "polling":
                post.scope.cancel()
        leaving = [post for post in self._leaving if not post.over.is_set()]
        self._leaving = [*leaving, *there.values()]
        if self._nursery:
            for post in kept:
                if post not in self.posts:
                    before = [old for old in self._leaving if old.user == post.user]
                    self._nursery.start_soon(self._keep, post, before)
        self.posts = kept

    def _posts_of(self, accounts: Sequence[AccountSettings]) -> Iterator[Post]:
        """Yield all posts. A user has so many connections, in however many entries he stands."""
        watched: Counter[tuple[str, str]] = Counter()
        for one in accounts:
            user = (one.host, one.remote_user)
            for post in self._posts_of_one(one, WATCHED - watched[user]):
                watched[user] += post.watched
                post.last_success = self.last_success.get(post.name, 0.0)
                yield post

    def _posts_of_one(self, settings: AccountSettings, room: int) -> Sequence[Post]:
        """Return what there is to keep of an account, as its server allows it."""
        every = self._interval * max(1, settings.interval)
        posts = list(posts_of(settings, every, self._chance, room=room))
        if any(self._identity(post) in self._apart for post in posts):
            return list(posts_of(settings, every, self._chance, apart=True, room=room))
        return posts

    def wake(self) -> None:
        """Poll everything that is not paused at once, whatever its schedule says."""
        for post in self.posts:
            if not post.paused:
                self.wake_one(post)

    def renew(self) -> None:
        """Poll at once, over new connections: behind a sleep, or in another network.

        Nothing of that makes a password right.
        """
        for post in self.posts:
            if not (post.paused or post.schedule.refusals):
                self.wake_one(post)

    def wake_one(self, post: Post) -> None:
        """Poll one at once. A connection that waits for news may be dead: it is made anew."""
        post.wake()
        if post.is_watching:
            post.scope.cancel()

    def pause(self, post: Post, *, paused: bool) -> None:
        """Poll it no more until it is resumed. A poll under way comes to its end."""
        post.paused = paused
        post.woken.set()
        if post.state in {"watching", "waiting", "paused"}:
            post.scope.cancel()

    @staticmethod
    def _identity(post: Post) -> tuple[object, ...]:
        """Return what tells apart posts that differ in any setting."""
        settings = vars(post.settings).items()
        values = sorted((name, value) for name, value in settings if name[0] != "_")
        return (post.watched, post.schedule.interval, repr(values), secrets_of(post.settings))

    async def _keep(self, post: Post, before: Sequence[Post] = ()) -> None:
        """Keep it as long as it is wanted, once its user's posts of ``before`` a reload are over.

        Two polls of one mailbox would each deliver what the other has not yet deleted.
        """
        for old in before:
            await old.over.wait()
        while not self.stopping and post in self.posts:
            # A reload takes this scope to end the post, a wake-up to end its waiting.
            with trio.CancelScope() as post.scope:
                await self._until_due(post)
                if not post.paused:
                    await self._poll_safely(post)
        post.state = "over"
        post.over.set()

    async def _until_due(self, post: Post) -> None:
        post.state = "paused" if post.paused else "waiting"
        deadline = float("inf") if post.paused else post.schedule.due
        with trio.move_on_at(deadline):
            await post.woken.wait()
        post.woken = trio.Event()

    async def _poll_safely(self, post: Post) -> None:
        """Poll; what nobody foresaw is one line, and this post's own trouble."""
        try:
            await self._poll(post)
        except Exception as fault:
            text = f"{post.name}: internal error, please report it: {place_of(fault)}"
            self._lines.complain(text)
            self._note(post, ExitCode.UNDEFINED)

    async def _poll(self, post: Post) -> None:
        post.state = "polling"
        if not post.watched:
            code = await self._crew.poll(post.settings, self._lines, post.schedule.wait_between)
            self._note(post, code)
            return

        def told(code: ExitCode, tells_news: bool) -> None:
            self._note(post, code)
            post.state = "watching" if tells_news and not self.stopping else "polling"
            if self.stopping or post not in self.posts or post.paused:
                post.scope.cancel()

        began = trio.current_time()
        try:
            await self._crew.watch(post.settings, self._lines, told)
        except NotWatched:
            self._apart.add(self._identity(post))
            self.keep(self._accounts, self._interval)
            return
        # What broke while nothing was under way is made anew soon, but not over and over.
        if post.is_watching:
            lasted = trio.current_time() - began
            post.schedule.due = trio.current_time() + (SOON if lasted > SOON else 60.0)

    def _note(self, post: Post, code: ExitCode) -> None:
        post.polls += 1
        post.last_code = code
        post.last_poll = self._wall_clock()
        if code in GOOD:
            post.last_success = self.last_success[post.name] = post.last_poll
        if remark := post.schedule.ended(trio.current_time(), code):
            self._lines.complain(f"{post.name}: {remark}")


def secrets_of(settings: AccountSettings) -> tuple[bytes, ...]:
    """Return the passwords, which no repr shows: a new one is a change too."""
    secrets = (settings.password, settings.esmtppassword, settings.appendpassword)
    return tuple(b"" if secret is None else secret.reveal() for secret in secrets)
