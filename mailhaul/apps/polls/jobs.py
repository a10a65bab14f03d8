"""What is polled on one schedule: an account, or mailboxes that it watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

import trio

from ...adapters.config.secret_table import SECRETS
from ...adapters.config.secrets import Stamp
from ...adapters.config.settings import AccountSettings
from ...adapters.sources.imap import is_pattern
from ...flows.admission import PER_USER
from ...flows.outcome import ExitCode, PollCounts
from ...flows.schedule import Schedule
from .accounts import user_at_server
from .context import NoteToken
from .limited import Hooks, PollReported

TOGETHER = 100
"""Mailboxes that one connection watches: their names fit a command of 8,000 octets."""

WATCHED = PER_USER - 1
"""Connections of one user that may wait for new mail; one more polls all other mailboxes."""


CONSENT = "consent"
"""The kind of a failure that the user has to end by ``mailhaul login``."""


class JobState(StrEnum):
    """What a job does now."""

    WAITING = "waiting"
    PAUSED = "paused"
    POLLING = "polling"
    WATCHING = "watching"
    OVER = "over"


@dataclass(eq=False, slots=True)
class Job:
    """One job. ``last_poll`` and ``last_success`` are Unix time, 0 for never."""

    settings: AccountSettings
    schedule: Schedule
    watched: bool = False
    state: JobState = JobState.WAITING
    paused: bool = False
    polls: int = 0
    last_code: ExitCode | None = None
    last_poll: float = 0.0
    last_success: float = 0.0
    key: str = ""
    """Its key in the ledger, which stays the same over reloads and restarts."""
    label: str = ""
    """Its name if another job has the same ``own_name``."""
    under_way: bool = False
    """Whether a poll has begun: it is not cancelled but finishes its message."""
    unwanted: bool = False
    """Whether the job was removed: then its poll begins no further message."""
    outdated: bool = False
    """Whether a reload changed the rules of its poll: then the poll starts again."""
    secret_files: Mapping[str, Stamp] = field(default_factory=dict[str, Stamp])
    """The files that its password was last looked for in, and their state at that time."""
    tokens: tuple[tuple[str, str, str], ...] = ()
    """The tokens that are missing: whose, the kind of the failure and a sentence."""
    fence: tuple[str, int] | None = None
    """The account of a store that was claimed for it, and the epoch of the claim."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    _end_of_poll: tuple[str, PollCounts, float] | None = None
    _woken: bool = False
    _identity: bytes = b""
    # Events exist only while something waits for them: jobs are many, and each takes 270 octets.
    _bell: trio.Event | None = None
    _end: trio.Event | None = None

    @property
    def name(self) -> str:
        """Its name in log lines."""
        return self.label or self.own_name

    @property
    def own_name(self) -> str:
        """Its name in log lines, if no other job has it."""
        user = user_at_server(self.settings)
        if not self.watched:
            return user
        first, *others = self.settings.folders
        return f"{user} ({len(others) + 1} folders)" if others else f"{user} ({first})"

    @property
    def identity(self) -> bytes:
        """What differs if two jobs differ in any setting: a digest, as it is kept."""
        if not self._identity:
            settings = vars(self.settings).items()
            values = sorted([(name, value) for name, value in settings if name[0] != "_"])
            # No repr shows the passwords, and a new one is a change too.
            secrets = [getattr(self.settings, name) for name in SECRETS]
            revealed = [b"" if secret is None else secret.reveal() for secret in secrets]
            text = repr((self.watched, values, revealed))
            self._identity = blake2b(text.encode("utf-8", "backslashreplace")).digest()
        return self._identity

    @property
    def user(self) -> tuple[str, str]:
        """Host and login."""
        return (self.settings.host, self.settings.remote_user)

    @property
    def is_watching(self) -> bool:
        """Whether it waits for its server to report new mail."""
        return self.state is JobState.WATCHING

    def wake(self) -> None:
        """Poll at once."""
        self.schedule.wake()
        self.rouse()

    def rouse(self) -> None:
        """End the pause before the next poll."""
        self._woken = True
        if self._bell is not None:
            self._bell.set()

    async def pause_until(self, deadline: float) -> None:
        """Wait until this time (of trio's clock), or until ``rouse`` is called or was called."""
        self._bell = trio.Event()
        if self._woken:
            self._bell.set()
        try:
            with trio.move_on_at(deadline):
                await self._bell.wait()
        finally:
            self._bell = None
        self._woken = False

    def end(self) -> None:
        """Note that the job was removed and its last poll has ended."""
        self.state = JobState.OVER
        if self._end is not None:
            self._end.set()

    async def ended(self) -> None:
        """Wait for ``end``."""
        if self.state is not JobState.OVER:
            self._end = trio.Event() if self._end is None else self._end
            await self._end.wait()

    def cut_short(self) -> None:
        """Cancel what it does, unless mail is under way: that is finished first."""
        if not self.under_way:
            self.scope.cancel()

    def hooks(self) -> Hooks:
        """Return the hooks for a poll of it."""
        return JobHooks(self)

    def should_stop(self) -> bool:
        return self.unwanted or self.outdated

    def note_files(self, files: Mapping[str, Stamp]) -> None:
        self.secret_files = files

    def note_end(self, code: ExitCode, words: str, counts: PollCounts, seconds: float) -> None:
        del code  # the scheduler gets to know it
        self._end_of_poll = words, counts, seconds

    def take_end(self) -> tuple[str, PollCounts, float]:
        """Return the last error, the counts and the seconds of the poll that has just ended."""
        taken = self._end_of_poll or ("", PollCounts(), 0.0)
        self._end_of_poll = None
        return taken

    def note_token(self, label: str, kind: str, sentence: str) -> None:
        others = tuple(one for one in self.tokens if one[0] != label)
        self.tokens = (*others, (label, kind, sentence)) if kind else others

    @property
    def token_trouble(self) -> tuple[str, str, str]:
        """Whose token is missing, the kind of the failure and a sentence, or empty texts."""
        return self.tokens[0] if self.tokens else ("", "", "")

    @property
    def needs_consent(self) -> bool:
        """Whether the user has to sign in."""
        return self.token_trouble[1] == CONSENT

    def begin(self) -> None:
        self.state = JobState.POLLING
        self.under_way = True


class JobHooks:
    """The hooks of a job's poll. A daemon keeps thousands: it makes them when they are needed."""

    __slots__ = ("_job",)

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def name(self) -> str:
        """The name of the entry."""
        return self._job.key

    @property
    def fence(self) -> tuple[str, int] | None:
        """The claim in whose name the ledger is written."""
        return self._job.fence

    @property
    def login_delay(self) -> Callable[[float], None]:
        """Makes the polls rarer."""
        return self._job.schedule.wait_between

    @property
    def resting(self) -> Callable[[float], None]:
        """Postpones the next poll."""
        return self._job.schedule.rest

    @property
    def stopping(self) -> Callable[[], bool]:
        """Returns whether the job should stop."""
        return self._job.should_stop

    @property
    def begun(self) -> Callable[[], None]:
        """Notes that the poll has begun."""
        return self._job.begin

    @property
    def secret_files(self) -> Callable[[Mapping[str, Stamp]], None]:
        """Notes the files that the password was looked for in."""
        return self._job.note_files

    @property
    def note_token(self) -> NoteToken:
        """Notes why there is no token."""
        return self._job.note_token

    @property
    def ended(self) -> PollReported:
        """Notes how the poll ended."""
        return self._job.note_end


def jobs_for(
    settings: AccountSettings,
    every: float,
    chance: Callable[[], float],
    *,
    apart: bool = False,
    room: int = WATCHED,
) -> Iterator[Job]:
    """Yield the jobs of one account.

    Its mailboxes are watched together, or each over its own connection (``apart``). Patterns, and
    mailboxes for which no connection is left of ``room``, are polled in turn.
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
