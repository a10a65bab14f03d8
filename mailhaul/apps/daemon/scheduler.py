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
from ..polls.interrupted import place_of
from ..polls.lines import Lines
from ..polls.polling import keys_of, whose
from ..polls.pool import Crew, PollHooks

TOGETHER = 100
"""Mailboxes that one connection watches: their names fit a command of 8,000 octets."""
WATCHED = 10
"""Connections that one user may hold open to wait for news; Gmail allows 15 in all."""
LAST_SECONDS = 20.0
"""How long messages in flight may take to arrive once the daemon is to stop."""
TOLD_AFTER = 3
"""Refused logins in a row after which the user is told by mail, as by fetchmail."""
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
        user = whose(self.settings)
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
        """When a poll went well last, by the keys of posts: Unix time, by whatever run it was."""
        self._told: set[str] = set()
        """Keys of the posts whose refused login the user was told of."""
        self._accounts: Sequence[AccountSettings] = ()
        self._interval = 0.0
        self._apart: set[tuple[object, ...]] = set()
        self._leaving: list[Post] = []
        self.stopping = False
        self._crew = crew
        self._lines = lines
        self._telling: set[str] = set()
        self._refused: Counter[str] = Counter()
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
            post.cut_short()
        self._stopped.set()

    def keep(self, accounts: Sequence[AccountSettings], interval: float) -> None:
        """Keep these accounts from now on. Those that have not changed go on undisturbed."""
        self._accounts, self._interval = accounts, interval
        wanted = list(self._posts_of(accounts))
        there = {self._identity(post): post for post in self.posts}
        kept = [self._go_on(there.pop(self._identity(post), post), post) for post in wanted]
        for post in there.values():
            post.unwanted = True
            post.cut_short()
        leaving = [post for post in self._leaving if not post.over.is_set()]
        self._leaving = [*leaving, *there.values()]
        if self._nursery:
            for post in kept:
                if post not in self.posts:
                    before = [old for old in self._leaving if old.user == post.user]
                    self._nursery.start_soon(self._keep, post, before)
        self.posts = kept

    @staticmethod
    def _go_on(post: Post, wanted: Post) -> Post:
        """Give a post what a reload may change without ending it."""
        if post is not wanted:
            post.key, post.label = wanted.key, wanted.label
            if post.schedule.interval != wanted.schedule.interval:
                post.schedule.change(wanted.schedule.interval, trio.current_time())
                if post.state == "waiting":
                    # It looks again for how long.
                    post.scope.cancel()
        return post

    def begin_anew(self) -> None:
        """Go by rules that have changed: what is under way ends with its message and comes again.

        How often a server failed still counts.
        """
        for post in self.posts:
            if post.state in {"polling", "watching"}:
                post.outdated = True
                post.cut_short()

    def _posts_of(self, accounts: Sequence[AccountSettings]) -> Iterator[Post]:
        """Yield all posts. A user has so many connections, in however many entries he stands."""
        watched: Counter[tuple[str, str]] = Counter()
        posts: list[Post] = []
        for one in accounts:
            user = (one.host, one.remote_user)
            for post in self._posts_of_one(one, WATCHED - watched[user]):
                watched[user] += post.watched
                posts.append(post)
        names = Counter(post.own_name for post in posts)
        keys = keys_of([post.settings for post in posts])
        for post, key in zip(posts, keys, strict=True):
            post.key = key
            post.label = key if names[post.own_name] > 1 else ""
            post.last_success = self.last_success.get(key, 0.0)
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
        return (post.watched, repr(values), secrets_of(post.settings))

    async def _keep(self, post: Post, before: Sequence[Post] = ()) -> None:
        """Keep it as long as it is wanted, once its user's posts of ``before`` a reload are over.

        Two polls of one mailbox would each deliver what the other has not yet deleted.
        """
        try:
            for old in before:
                await old.over.wait()
            while not self.stopping and post in self.posts:
                # A reload takes this scope to end the post, a wake-up to end its waiting.
                with trio.CancelScope() as post.scope:
                    await self._until_due(post)
                    if not post.paused:
                        await self._poll_safely(post)
                post.under_way = False
                if post.outdated:
                    post.outdated = False
                    post.schedule.due = trio.current_time()
        finally:
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
            code = await self._crew.poll(post.settings, self._lines, post.hooks())
            self._note(post, code)
            return

        def told(code: ExitCode, tells_news: bool) -> None:
            self._note(post, code)
            post.state = "watching" if tells_news and not self.stopping else "polling"
            post.under_way = not post.is_watching
            if self.stopping or post not in self.posts or post.paused:
                post.scope.cancel()

        began = trio.current_time()
        try:
            await self._crew.watch(post.settings, self._lines, told, post.hooks())
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
            post.last_success = self.last_success[post.key] = post.last_poll
        if remark := post.schedule.ended(trio.current_time(), code):
            self._lines.complain(f"{post.name}: {remark}")
        self._tell_of_login(post, code)

    def _tell_of_login(self, post: Post, code: ExitCode) -> None:
        """Let the user be told by mail of a login that is refused, or is accepted again."""
        # A wake-up makes the schedule forget refusals; whoever is woken each hour is told as well.
        if code is ExitCode.AUTHFAIL:
            self._refused[post.key] += 1
        elif code in GOOD:
            del self._refused[post.key]
        told = post.key in self._told
        refused = self._refused[post.key] >= TOLD_AFTER
        is_news = (refused and not told) or (told and code in GOOD)
        if is_news and self._nursery and post.key not in self._telling:
            self._telling.add(post.key)
            self._nursery.start_soon(self._tell, post, refused)

    async def _tell(self, post: Post, refused: bool) -> None:
        """Tell it; whatever happens to that mail, it is no trouble of the polls."""
        why = ""
        try:
            why = await self._crew.tell_of_login(post.settings, self._lines, refused=refused)
        except Exception as fault:
            why = place_of(fault)
        finally:
            self._telling.discard(post.key)
        if refused and not why:
            self._told.add(post.key)
        elif not refused:
            self._told.discard(post.key)
        if why:
            problem = f"{post.name}: the mail on its login cannot be sent: {why}"
            self._lines.complain(problem)


def secrets_of(settings: AccountSettings) -> tuple[bytes, ...]:
    """Return the passwords, which no repr shows: a new one is a change too."""
    secrets = (settings.password, settings.esmtppassword, settings.appendpassword)
    return tuple(b"" if secret is None else secret.reveal() for secret in secrets)
