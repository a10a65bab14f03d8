"""Poll several accounts side by side, and print the lines of each account together."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ...adapters.config.settings import AccountSettings
from ...flows.outcome import ExitCode, PollCounts
from ...protocols.record import replace
from ...runtimes import several
from ..polls.context import PollContext
from ..polls.inherited import is_wanted
from ..polls.interrupted import Deadline, Interrupted, SignalHandler, place_of
from ..polls.limited import LimitedPoll, Limits, PollHooks
from ..polls.lines import Lines

if TYPE_CHECKING:
    from ...flows.report import Event
    from .once import Recorder

GRACE = 10.0
"""Seconds after which a signal ends the run, even if a server or sink does not reply."""
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class BufferedLines(Lines):
    """The lines of one account, kept until its poll ends or is the only one left."""

    def __init__(self, lines: Lines) -> None:
        out = io.StringIO()
        # If both go to the same place, they stay in order.
        self._texts = out, out if lines.err is lines.out else io.StringIO()
        super().__init__(lines.verbosity, *self._texts, lines.program)
        self._lines = lines
        self.names_accounts = lines.names_accounts
        self.shows_messages = lines.shows_messages

    def print(self) -> None:
        """Print all kept lines: first the output, then the errors."""
        for text, stream in zip(self._texts, (self._lines.out, self._lines.err), strict=True):
            self._lines.pass_on(stream, text.getvalue())
            text.seek(0)
            text.truncate()

    def note(self, event: Event, account: str = "") -> None:
        """Take note of what a flow reports, at once."""
        self._lines.note(event, account)

    def counter(self, account: str) -> Callable[[int], None] | None:
        """Return what is called with the octets of messages that arrive, if anything is."""
        return self._lines.counter(account)

    def closing(self, counts: PollCounts, account: str = "") -> str:
        """Return a line about a poll that is over; "" for none."""
        return self._lines.closing(counts, account)

    def stop_buffering(self) -> None:
        """Print the kept lines, and all later lines immediately."""
        self.print()
        self.out, self.err = self._lines.out, self._lines.err


class Outputs:
    """The lines of all accounts. Those of an account are printed together when its poll ends.

    In the order of the file, a slow account would delay the lines of all others. The lines of an
    account that is ``immediate`` are not kept.
    """

    def __init__(self, lines: Lines, immediate: Sequence[bool]) -> None:
        self._all = [lines if at_once else BufferedLines(lines) for at_once in immediate]
        self._kept = [one for one in self._all if isinstance(one, BufferedLines)]
        self._may_stop = len(self._kept) == len(self._all)

    def of(self, place: int) -> Lines:
        """Return the lines of one account."""
        return self._all[place]

    def ended(self, place: int) -> None:
        """Print what was kept for an account; keep nothing if only one other is left."""
        ended = self._all[place]
        if isinstance(ended, BufferedLines):
            ended.print()
            self._kept.remove(ended)
        if len(self._kept) == 1 and self._may_stop:
            self._kept[0].stop_buffering()

    def report(self, place: int, fault: Exception, recorder: Recorder, name: str) -> None:
        """Print and record that a poll has failed because of a bug."""
        words, code = f"internal error, please report it: {place_of(fault)}", ExitCode.UNDEFINED
        self.of(place).complain(words, name, code.name)
        recorder.note(name, code, words, PollCounts(), 0.0)


def hooks_for(name: str, recorder: Recorder) -> PollHooks:
    """Return the hooks for the polls of an entry, which keep how each ended."""
    return PollHooks(
        name,
        note_token=partial(recorder.note_token, name),
        ended=partial(recorder.note, name),
    )


def poll_side_by_side(
    accounts: Sequence[AccountSettings],
    names: Sequence[str],
    context: PollContext,
    lines: Lines,
    recorder: Recorder,
) -> tuple[Sequence[ExitCode], int]:
    """Poll these accounts concurrently; ``names`` are those of their entries in logs.

    Return their exit codes in the same order, and the number of the signal that ended the run, or
    0.
    """
    handler = EndingHandler(lines)
    limits = Limits(replace(context, hold=handler.hold), time.monotonic)
    outputs = Outputs(lines, [lines.is_log] * len(accounts))
    codes = [ExitCode.UNDEFINED] * len(accounts)

    async def one(place: int, poll: LimitedPoll) -> None:
        try:
            codes[place] = await poll.run()
        except Exception as fault:
            # The other accounts must still be polled.
            outputs.report(place, fault, recorder, names[place])
        finally:
            outputs.ended(place)

    polls = [
        LimitedPoll(limits, settings, outputs.of(place), hooks_for(names[place], recorder))
        for place, settings in enumerate(accounts)
    ]
    try:
        with handler.installed():
            several.run((one(place, poll), poll.engine) for place, poll in enumerate(polls))
    except Interrupted as stop:
        return codes, stop.number
    return codes, 0


class EndingHandler(SignalHandler):
    """Lets a signal raise Interrupted, once: while the run ends, further ones are ignored.

    A call that hangs cannot be ended, so the process ends some time after the signal in any case.
    """

    def __init__(self, lines: Lines) -> None:
        super().__init__(self._end)
        self._lines = lines
        self._deadline = Deadline()
        self._before: dict[int, Any] = {}

    def _end(self) -> None:
        for each in self._before:
            signal.signal(each, signal.SIG_IGN)
        self._deadline.begin(GRACE, ExitCode.UNDEFINED, self._lines.complain)

    @contextmanager
    def installed(self) -> Generator[None]:
        """Handle the signals during the block."""
        self._before = {number: signal.getsignal(number) for number in SIGNALS if is_wanted(number)}
        with self._deadline:
            try:
                for number in self._before:
                    signal.signal(number, self)
                yield
            finally:
                for number, handler in self._before.items():
                    signal.signal(number, handler)
