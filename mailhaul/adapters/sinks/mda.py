"""An MDA command as a sink: one process for each message, which reads it from standard input.

The command has fetchmail's syntax: a shell command in which %F stands for the envelope sender
and %T (or %s) for the recipients. Here both are passed to the command as arguments, never as part
of the shell script. A command that needs no shell is run without one. Commands that start a second
shell are the subject of second_shells.py.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from ...flows.channel import Channel, Endpoint
from ...flows.outcome import Outcome, SinkUnavailable, Verdict
from ...flows.requests import (
    STATUS_UNKNOWN,
    ArgumentsTooLong,
    Close,
    Now,
    OpenFailed,
    Program,
    Start,
    TimedOut,
    Wait,
)
from ...flows.sink import Declined, Delivery, Parcel, Sink
from ...flows.source import CompletionProof
from ..second_shells import is_in_path, is_text, leaves_folder, second_shell
from .kinds import SinkOrder
from .spool import SpoolTooSmall, add_to_spool, new_spool, too_large_outcome

SHELL_SYNTAX = frozenset("|&;<>()$`\\\"'*?[]#~=!{}\n")
"""Characters that have a meaning for the shell."""
SYSTEM_FAILURES = frozenset(
    {
        *(os.EX_USAGE, os.EX_OSERR, os.EX_OSFILE, os.EX_CANTCREAT, os.EX_IOERR),
        *(os.EX_TEMPFAIL, os.EX_CONFIG),
        *(126, 127),
    }
)
"""Exit statuses of failures that are not due to the message: of the system, temporary ones, and
those of a shell that cannot run the command.
"""
SECONDS = 600.0
"""Seconds that a command may take at least: as long as a listener may take to accept a message. A
command that is terminated may already have delivered the message.
"""
MAX_FAILURES_IN_A_ROW = 2
"""Timeouts in a row after which no more commands are started in this poll."""
NO_SENDER = "MAILER-DAEMON"
"""The argument of a second shell for an unknown sender and for "<>", which would be a redirection;
pipe(8) of Postfix uses the same name.
"""
SAFE_COMMAND = "sh -c 'PROGRAM -f \"$1\"' sh %F"
STATUS_NAMES = {getattr(os, name): name for name in dir(os) if name.startswith("EX_")}


def make(order: SinkOrder) -> Sink:
    """Return the sink for an MDA command.

    Recipients that the user configured are trusted; those that a message names are not.
    """
    settings = order.settings
    local = (name for pair in settings.local_names for name in pair)
    trusted = frozenset(filter(None, (*local, settings.smtpname, order.postmaster)))
    timeout, split = float(settings.timeout), settings.mdasplit
    return MdaSink(
        order.value,
        timeout,
        order.spool_folder,
        split=split,
        trusted=trusted,
        lanes=max(1, settings.mdaparallel),
    )


class Template:
    """A parsed mda string: the command to run, and the positions of sender and recipients.

    With ``split`` each recipient is a separate argument, otherwise one argument contains them all.
    """

    def __init__(self, command: str, *, split: bool = False) -> None:
        self.shell = not SHELL_SYNTAX.isdisjoint(command)
        self._split = split
        self._words = command.split()
        self._script = shell_script(command, split=split) if self.shell else ""
        self._second_shell = second_shell(command)
        self._contains = {
            "sender": "%F" in command,
            "recipient": "%T" in command or "%s" in command,
        }
        self._in_path = {
            "sender": is_in_path(command, ("%F",)),
            "recipient": is_in_path(command, ("%T", "%s")),
        }

    def reason_to_refuse(self, what: str, address: str, *, trusted: bool) -> str:
        """Return why an address must not be passed to the command, or "" if it may be passed.

        ``what`` is "sender" or "recipient"; a ``trusted`` address is one that the user configured.
        """
        if not self._contains[what]:
            return ""
        if address.startswith("-"):
            return 'begins with "-" and is not passed to the mda, which could take it for an option'
        if trusted:
            return ""
        if self._in_path[what] and leaves_folder(address):
            return "is not passed to the mda: as a file name it would lead out of the folder"
        if self._second_shell and not is_text(address, self._second_shell):
            return (
                f"is not passed to the mda: its second shell ({self._second_shell}) could "
                f"interpret it as syntax; {SAFE_COMMAND} takes any address"
            )
        return ""

    def sender(self, address: bytes | None) -> str:
        """Return the argument for an envelope sender; None is an unknown one."""
        if self._second_shell:
            return decoded(address or b"") or NO_SENDER
        return "" if address is None else decoded(address) or "<>"

    def argv(self, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        """Return the arguments to start: of a program, or a shell script and its parameters."""
        if not self._split:
            recipients = [" ".join(recipients)]
        if self.shell:
            return (self._script, sender, *recipients)
        values = {"%F": sender, "%T": " ".join(recipients), "%s": " ".join(recipients)}
        words: list[str] = []
        for word in self._words:
            words += recipients if word in {"%T", "%s"} else [substituted(word, values)]
        return tuple(words)


def substituted(word: str, values: dict[str, str]) -> str:
    """Replace every %F, %T and %s in one word, in a single pass."""
    pieces: list[str] = []
    position = 0
    while (found := word.find("%", position)) >= 0:
        pieces.append(word[position:found])
        token = word[found : found + 2]
        pieces.append(values.get(token, token))
        position = found + 2
    pieces.append(word[position:])
    return "".join(pieces)


def shell_script(command: str, *, split: bool = False) -> str:
    """Return the command with %F as the shell's "$1", and %T and %s as "$2".

    They are always quoted, whatever quotes surround them in the command. With ``split`` %T is "$@",
    and the script first removes the sender from "$@".
    """
    names = {"%F": "${1}", "%T": "${2}", "%s": "${2}"}
    pieces: list[str] = []
    if split:
        names = {"%F": "${mailhaul_sender}", "%T": "$@", "%s": "$@"}
        pieces.append("mailhaul_sender=$1; shift; ")
    quote = ""
    position = 0
    while position < len(command):
        character = command[position]
        pair = command[position : position + 2]
        if parameter := names.get(pair):
            pieces.append(f'{quote}"{parameter}"{quote}' if quote != '"' else parameter)
            position += 2
            continue
        if character == "\\" and quote != "'":
            pieces.append(pair)
            position += 2
            continue
        if character in {"'", '"'} and quote in {"", character}:
            quote = "" if quote else character
        pieces.append(character)
        position += 1
    return "".join(pieces)


class MdaSink:
    """An MDA command, of which ``lanes`` may run at a time. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = True
    finds_offers = False
    gathers = False
    domain = ""

    def __init__(
        self,
        command: str,
        timeout: float,
        spool_folder: str,
        *,
        split: bool = False,
        trusted: Collection[str] = (),
        lanes: int = 1,
    ) -> None:
        self.lanes = lanes
        self.template = Template(command, split=split)
        self.trusted = frozenset(trusted)
        """Recipients that the user configured."""
        self.warned_unread = False
        self.timeouts_in_a_row = 0
        """How many commands in a row have been terminated."""
        self.timeout = max(timeout, SECONDS)
        self.spool_folder = spool_folder
        self._running: list[MdaDelivery] = []

    async def open(self) -> None:
        """Nothing to do: each message starts its own process."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises SinkUnavailable, and PollFailed (IOERR)."""
        self.require_commands_that_end()
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large_outcome(fault))
        return MdaDelivery(self, parcel, spool)

    def require_commands_that_end(self) -> None:
        """Raise SinkUnavailable if the last commands had to be terminated."""
        if self.timeouts_in_a_row >= MAX_FAILURES_IN_A_ROW:
            count = self.timeouts_in_a_row
            raise SinkUnavailable(f"MDA: {count} commands in a row did not end in time")

    def listening(self) -> Sequence[Channel[Endpoint] | Program]:
        """Return the running processes, oldest first."""
        return [one.program for one in self._running if one.program]

    def add_running(self, delivery: MdaDelivery) -> None:
        """Add a delivery whose process is running."""
        self._running.append(delivery)

    def remove_running(self, delivery: MdaDelivery) -> None:
        """Remove a delivery whose process has ended, or whose verdict nobody awaits."""
        self._running = [one for one in self._running if one is not delivery]

    async def hear_any(self) -> bool:
        """Wait until a process ends, or until the time of the oldest is over."""
        if not self._running:
            return False
        await self._running[0].wait_for(self.listening())
        return True

    async def close(self) -> None:
        """Nothing to do: a process has ended when its verdict is known."""


class MdaDelivery:
    """One message for the MDA. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: MdaSink, parcel: Parcel, spool: int) -> None:
        self._sink = sink
        self._parcel = parcel
        self._spool = spool
        self.program: Program | None = None
        self._deadline = 0.0
        self._verdict: Outcome | None = None

    async def ready(self) -> bool:
        """Check the addresses; refuse the message if one must not be passed to the command."""
        template, trusted = self._sink.template, self._sink.trusted
        addresses = [("recipient", one) for one in self._recipients()]
        if self._parcel.sender:
            addresses.append(("sender", decoded(self._parcel.sender)))
        for what, address in addresses:
            known = what == "recipient" and address in trusted
            if why := template.reason_to_refuse(what, address, trusted=known):
                reason = f'the {what} "{address}" {why}'
                self._conclude(Outcome(Verdict.REFUSED, reason))
                return False
        return True

    def _recipients(self) -> list[str]:
        return [decoded(recipient) for recipient in self._parcel.recipients]

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. If there is no room, the message is refused.

        Raises PollFailed (IOERR).
        """
        if self._verdict is None and data:
            try:
                await add_to_spool(self._spool, data, self._sink.spool_folder, self._parcel.size)
            except SpoolTooSmall as fault:
                self._conclude(too_large_outcome(fault))

    async def complete(self, proof: CompletionProof) -> None:
        """Start the MDA: ``proof`` shows that the spool contains the complete message.

        Raises SinkUnavailable if that is not possible.
        """
        del proof
        if self._verdict is not None:
            return
        try:
            # This message was offered before it was known of the last one.
            self._sink.require_commands_that_end()
        except SinkUnavailable as fault:
            self._conclude(Outcome(Verdict.POSTPONED, str(fault)))
            raise
        os.lseek(self._spool, 0, os.SEEK_SET)
        template = self._sink.template
        argv = template.argv(template.sender(self._parcel.sender), self._recipients())
        try:
            self.program = await Start(argv, self._spool, shell=template.shell)
        except ArgumentsTooLong as error:
            # This is due to the message: others have fewer recipients.
            self._conclude(Outcome(Verdict.REFUSED, f"MDA: {error}"))
            return
        except OpenFailed as error:
            self._conclude(Outcome(Verdict.POSTPONED, f"MDA: {error}"))
            raise SinkUnavailable(f"MDA: {error}") from None
        self._deadline = await Now() + self._sink.timeout
        self._sink.add_running(self)

    async def outcome(self) -> Outcome:
        """Wait until the MDA ends, but not longer than the timeout; then terminate it.

        It is unknown whether a terminated MDA has delivered the message. So this counts as a
        refusal: otherwise the message would be delivered again without end.
        """
        while (verdict := self.known_outcome()) is None:
            if self.program is None:
                return Outcome(Verdict.POSTPONED, "MDA was not started")
            await self.wait_for([self.program])
        return verdict

    async def wait_for(self, programs: Sequence[Channel[Endpoint] | Program]) -> None:
        """Wait until one of these ends. Terminate our own one when its time is over."""
        try:
            await Wait(programs, self._deadline - await Now())
        except TimedOut:
            if self.program:
                await self._terminate(self.program)

    async def _terminate(self, program: Program) -> None:
        await Close(program)
        self._sink.timeouts_in_a_row += 1
        late = TimedOut(self._sink.timeout)
        reason = f"MDA: {late}, terminated{output_suffix(program)}"
        self._conclude(Outcome(Verdict.REFUSED, reason))

    def known_outcome(self) -> Outcome | None:
        """Return the verdict if it is already known."""
        program = self.program
        if self._verdict is None and program is not None and program.status is not None:
            self._sink.timeouts_in_a_row = 0
            self._conclude(self._judge(program, program.status))
        return self._verdict

    def _judge(self, program: Program, status: int) -> Outcome:
        if status == 0:
            taken = tuple((who, Verdict.ACCEPTED) for who in self._recipients())
            return Outcome(Verdict.ACCEPTED, "", taken, warning=self._warning())
        if status == STATUS_UNKNOWN:
            reason = f"MDA ended with an unknown status{output_suffix(program)}"
            return Outcome(Verdict.REFUSED, reason)
        if status < 0:
            # It may have delivered the message. A refusal limits the number of copies.
            return Outcome(Verdict.REFUSED, f"MDA died of signal {-status}{output_suffix(program)}")
        name = f" ({STATUS_NAMES[status]})" if status in STATUS_NAMES else ""
        verdict = Verdict.POSTPONED if status in SYSTEM_FAILURES else Verdict.REFUSED
        suffix = f"{name}{output_suffix(program)}"
        return Outcome(verdict, f"MDA returned nonzero status {status}{suffix}")

    def _warning(self) -> str:
        """Return a warning, once, if the command has not read the message.

        The offset of the shared descriptor shows how much the command has read.
        """
        if self._sink.warned_unread or os.lseek(self._spool, 0, os.SEEK_CUR):
            return ""
        self._sink.warned_unread = True
        return "the command reports success and has not read the message"

    async def abandon(self) -> None:
        """Discard the spool: no process has read it."""
        self._conclude(Outcome(Verdict.POSTPONED, "the delivery was abandoned"))

    def release(self) -> None:
        """Close the spool without waiting."""
        self._conclude(Outcome(Verdict.POSTPONED, "the poll was cancelled"))

    def _conclude(self, verdict: Outcome) -> None:
        self._verdict = self._verdict or verdict
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1
        if self.program is not None:
            self._sink.remove_running(self)


def output_suffix(program: Program) -> str:
    """Return the end of a program's output, for an error message."""
    words = program.output.strip()[-400:].decode("utf-8", "replace")
    return f"; it said: {' / '.join(words.splitlines())}" if words else ""


def decoded(address: bytes) -> str:
    """Return an address as an argument: bytes that are not UTF-8 stay unchanged."""
    return address.decode("utf-8", "surrogateescape")
