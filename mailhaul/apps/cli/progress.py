"""Progress on a terminal: a bar for each account, with its rate and the time left (``rich``).

The lines of the polls are printed above the bars. A thread of rich redraws them, so that a server
that does not answer looks alive, too. Only a single run on a terminal loads this module.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console, ConsoleDimensions
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from ...flows.outcome import PollCounts
from ...flows.report import Counted, Event, Handled, Planned
from ..polls.lines import Lines, escape, plural
from ..polls.times import span

REFRESH = 8.0
"""Redraws in a second."""
WINDOW = 10.0
"""Seconds over which the rate is measured."""
STEADY = 1.0
"""Seconds after which a rate means something."""
LONGEST_NAME = 26
MARGIN = 3
"""Columns on the right that stay free."""
FIGURES = 37
"""Columns for the figures of a row."""
UNITS = ("B", "kB", "MB", "GB", "TB")
ALL = "all accounts"


class ConsoleWithMargin(Console):
    """A terminal whose last columns stay free.

    The terminal shows Ctrl-C as two characters. If they did not fit, one row would never be erased.
    """

    @property
    def size(self) -> ConsoleDimensions:
        """The size of the terminal without the margin."""
        width, height = Console.size.fget(self)  # type: ignore[attr-defined]
        return ConsoleDimensions(max(20, width - MARGIN), height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        Console.size.fset(self, new_size)  # type: ignore[attr-defined]


class Pace:
    """Measures octets per second over the last seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque([(clock(), 0)])
        self.total = 0

    def add(self, octets: int) -> None:
        """Count octets that have arrived."""
        self.total += octets
        now = self._clock()
        if now - self._seen[-1][0] >= 0.1:
            self._seen.append((now, self.total))
            while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
                self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Octets per second; None as long as it would be a guess."""
        when, before = self._seen[0]
        passed = self._clock() - when
        return (self.total - before) / passed if passed >= STEADY else None


class Row:
    """What is known of the poll of one account."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.pace = Pace(clock)
        self.began: float | None = None
        """When it was known what to fetch."""
        self._clock = clock
        self.messages = 0
        """Messages to fetch in all, as far as the mailboxes are open."""
        self.done = 0
        self.words = "waiting for the server"
        self._octets = 0
        """Octets of all messages whose size the server tells."""
        self._sized = 0
        """Number of these messages."""

    @property
    def total(self) -> int | None:
        """Octets to fetch in all, partly estimated; None if nothing is known."""
        unsized = self.messages - self._sized
        if not unsized:
            return max(self._octets, self.pace.total) if self.messages else None
        known, count = (self._octets, self._sized) if self._sized else (self.pace.total, self.done)
        return int(known / count * self.messages) if count else None

    def plan(self, sizes: Sequence[int], later: int) -> None:
        """Note what a session fetches, and how many messages another one will."""
        # Those that an earlier session left to this one are planned again now.
        self.messages = self.done + len(sizes) + later
        if self.began is None:
            self.began = self._clock()
            self.pace = Pace(self._clock)
        known = [size for size in sizes if size]
        self._octets = self.pace.total + sum(known)
        self._sized = self.done + len(known)
        self.words = ""


class Sum:
    """What is known of all accounts together."""

    words = ""

    def __init__(self, rows: Sequence[Row], clock: Callable[[], float]) -> None:
        self._rows = rows
        self.pace = Pace(clock)

    @property
    def messages(self) -> int:
        """Messages to fetch in all."""
        return sum(row.messages for row in self._rows)

    @property
    def done(self) -> int:
        """Messages fetched."""
        return sum(row.done for row in self._rows)

    @property
    def total(self) -> int | None:
        """Octets to fetch in all, as far as known."""
        return sum(row.total or 0 for row in self._rows) or None


class Screen:
    """The bars. ``show`` runs them; events and octets may come at any time, from one thread."""

    def __init__(
        self,
        console: Console,
        names: Sequence[str],
        clock: Callable[[], float] = time.monotonic,
        *,
        moving: bool = True,
    ) -> None:
        self.console = console
        self._clock = clock
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            Figures(table_column=Column(no_wrap=True, min_width=FIGURES)),
            console=console,
            transient=True,
            auto_refresh=moving,
            refresh_per_second=REFRESH,
            redirect_stdout=False,
            redirect_stderr=False,
            expand=True,
        )
        self._rows = {name: Row(name, clock) for name in names}
        self._tasks: dict[str, TaskID] = {}
        self._sum = Sum(list(self._rows.values()), clock)
        self._most = max(3, console.size.height - 4)
        for name in names[: self._most]:
            self._add(self._rows[name])
        self._sum_task: TaskID | None = None

    @contextmanager
    def show(self) -> Generator[None]:
        """Show the bars during the block."""
        with self._progress:
            yield

    def note(self, event: Event, account: str) -> None:
        """Take note of what the poll of an account reports."""
        row = self._rows.get(account)
        if row is None:
            return
        match event:
            case Counted():
                row.words = "" if row.messages else "looking for new mail"
            case Planned(_, messages, later):
                row.plan([one.size for one in messages], later)
                self._show_sum()
            case Handled():
                row.done += 1
            case _:
                return
        self._update(row)

    def received(self, account: str, octets: int) -> None:
        """Count octets of messages that have arrived."""
        row = self._rows.get(account)
        if row is not None:
            for one in (row, self._sum):
                one.pace.add(octets)
            self._update(row)

    def ended(self, account: str) -> Row | None:
        """Remove the bar of an account whose poll is over; return what is known of it."""
        row = self._rows.pop(account, None)
        task = self._tasks.pop(account, None)
        if task is not None:
            self._progress.remove_task(task)
        waiting = next((one for name, one in self._rows.items() if name not in self._tasks), None)
        if task is not None and waiting is not None:
            self._add(waiting)
        return row

    def now(self) -> float:
        """Return the time of the clock."""
        return self._clock()

    def _show_sum(self) -> None:
        """Show the sum once there are several accounts with mail."""
        busy = sum(row.messages > 0 for row in self._rows.values())
        if self._sum_task is None and busy > 1:
            self._sum_task = self._progress.add_task(ALL, total=None, row=self._sum)

    def _add(self, row: Row) -> None:
        name = escape(row.name)
        shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        self._tasks[row.name] = self._progress.add_task(shown, total=None, row=row)

    def _update(self, row: Row) -> None:
        rows: Sequence[tuple[TaskID | None, Row | Sum]] = (
            (self._tasks.get(row.name), row),
            (self._sum_task, self._sum),
        )
        for task, one in rows:
            if task is not None:
                self._progress.update(task, total=one.total, completed=one.pace.total)


class Figures(ProgressColumn):
    """Messages, octets, rate and time left of a row, or what it waits for."""

    max_refresh = 0.2

    def render(self, task: Task) -> Text:
        """Return the text of a row."""
        row: Row | Sum = task.fields["row"]
        if not row.messages:
            return Text(row.words.rjust(FIGURES), style="dim")
        text = Text(f"{row.done}/{row.messages}".rjust(9))
        text.append(size_of(row.pace.total).rjust(9), style="cyan")
        rate = row.pace.rate
        text.append((f"{size_of(rate)}/s" if rate else "").rjust(11), style="green")
        left = seconds_left(row.total, row.pace)
        text.append(("" if left is None else clock_of(left)).rjust(8), style="yellow")
        return text


def seconds_left(total: int | None, pace: Pace) -> float | None:
    """Return how long it will take at this rate."""
    if total is None or not pace.rate:
        return None
    return max(0.0, total - pace.total) / pace.rate


class ScreenStream:
    """A stream whose lines are printed above the bars."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._begun = ""

    def write(self, text: str) -> int:
        """Print what has come to the end of its line."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._screen.console.print(Text(line), soft_wrap=True, highlight=False)
        return len(text)

    def flush(self) -> None:
        """Do nothing: finished lines are printed at once."""

    def isatty(self) -> bool:
        """Whether this is a terminal."""
        return True


class ProgressLines(Lines):
    """Lines above the bars. The bars stand for the lines on single messages."""

    shows_messages = False

    def __init__(self, lines: Lines, screen: Screen) -> None:
        stream = cast(TextIO, ScreenStream(screen))
        err = stream if lines.err.isatty() else lines.err
        super().__init__(lines.verbosity, stream, err, lines.program)
        self.names_accounts = lines.names_accounts
        self._screen = screen

    def note(self, event: Event, account: str = "") -> None:
        """Pass on what a flow reports to the bars."""
        self._screen.note(event, account)

    def counter(self, account: str) -> Callable[[int], None] | None:
        """Return what counts octets of messages that arrive."""
        return lambda octets: self._screen.received(account, octets)

    def closing(self, counts: PollCounts, account: str = "") -> str:
        """Remove the bar of an account, and return the line about what was fetched."""
        row = self._screen.ended(account)
        if row is None or not counts.fetched:
            return ""
        took = 0.0 if row.began is None else self._screen.now() - row.began
        rate = f" ({size_of(row.pace.total / took)}/s)" if took >= STEADY else ""
        count = f"{counts.fetched} message{plural(counts.fetched)}"
        if counts.delivered < counts.fetched:
            count = f"{counts.delivered} of {count} delivered"
        seconds = span(took) if took >= STEADY else f"{took:.1f} s"
        return f"{account}: {count}, {size_of(row.pace.total)} in {seconds}{rate}"


@contextmanager
def progress(lines: Lines, names: Sequence[str]) -> Generator[Lines]:
    """Show bars for these accounts during the block; yield the lines to be used meanwhile."""
    screen = Screen(ConsoleWithMargin(file=lines.out), names)
    with screen.show():
        yield ProgressLines(lines, screen)


def size_of(octets: float) -> str:
    """Return a size in a unit that suits it, such as "1.4 MB"."""
    unit = 0
    while octets >= 999.5 and unit < len(UNITS) - 1:
        octets, unit = octets / 1000, unit + 1
    digits = f"{octets:.0f}" if unit == 0 or octets >= 99.95 else f"{octets:.1f}"
    return f"{digits} {UNITS[unit]}"


def clock_of(seconds: float) -> str:
    """Return a duration as on a clock: 0:05, 12:30, 1:00:00."""
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
