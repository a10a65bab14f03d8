"""An MDA command as a sink: one process a message, the message complete on its input.

The command line is fetchmail's: a shell command in which %F stands for the envelope sender
and %T (or %s) for the recipients. Here both reach the command as arguments, never as part
of the shell's text; and where the command needs no shell, it is run without one. What is done where
the command starts a second shell is for second_shells.py to say.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

from ...flows.channel import STATUS_UNKNOWN, Channel, Program
from ...flows.outcome import Outcome, SinkUnavailable, Verdict
from ...flows.requests import ArgumentsTooLong, Call, Close, OpenFailed, Start, TimedOut, Wait
from ...flows.sink import Declined, Delivery, Parcel, Sink
from ...flows.source import CompletionProof
from ..second_shells import is_in_path, is_text, leaves_folder, second_shell
from .kinds import SinkOrder
from .spool import SpoolTooSmall, new_spool, too_large, write_spool

SHELL_SYNTAX = frozenset("|&;<>()$`\\\"'*?[]#~=!{}\n")
"""Characters that only a shell understands."""
NOT_ABOUT_THE_MESSAGE = frozenset(
    {
        *(os.EX_USAGE, os.EX_OSERR, os.EX_OSFILE, os.EX_CANTCREAT, os.EX_IOERR),
        *(os.EX_TEMPFAIL, os.EX_CONFIG),
        *(126, 127),
    }
)
"""Exit codes that speak of the system, of the moment, or of a shell that found no command."""
SECONDS = 600.0
"""How long a command may take at least: as long as a listener may think about a message. One that
is ended may have delivered all the same."""
MAX_FAILURES_IN_A_ROW = 2
"""Commands in a row that had to be ended, after which the others need not be tried in this poll."""
NO_SENDER = "MAILER-DAEMON"
"""What a second shell gets in place of a sender that is not there, and of "<>", which it would take
for a redirection; pipe(8) of Postfix says the same."""
RECIPE = "sh -c 'PROGRAM -f \"$1\"' sh %F"
NAMES = {getattr(os, name): name for name in dir(os) if name.startswith("EX_")}


def make(order: SinkOrder) -> Sink:
    """Return an MDA command as a sink.

    It trusts the recipients that the user wrote down, unlike those that a message names.
    """
    settings = order.settings
    local = (name for pair in settings.local_names for name in pair)
    trusted = frozenset(filter(None, (*local, settings.smtpname, order.postmaster)))
    timeout, split = float(settings.timeout), settings.mdasplit
    return MdaSink(order.value, timeout, order.spool_folder, split=split, trusted=trusted)


class Template:
    """An mda string taken apart: what to run, and where sender and recipients go in.

    With ``split`` each recipient is an argument of its own, else one holds them all.
    """

    def __init__(self, command: str, *, split: bool = False) -> None:
        self.shell = any(character in SHELL_SYNTAX for character in command)
        self._split = split
        self._words = command.split()
        self._script = shell_script(command, split=split) if self.shell else ""
        self._second = second_shell(command)
        self._given = {
            "sender": "%F" in command,
            "recipient": "%T" in command or "%s" in command,
        }
        self._in_path = {
            "sender": is_in_path(command, ("%F",)),
            "recipient": is_in_path(command, ("%T", "%s")),
        }

    def objection(self, what: str, address: str, *, trusted: bool) -> str:
        """Return why the command must not be given an address, "" if it may.

        ``what`` is "sender" or "recipient"; ``trusted`` is one that the user wrote down himself.
        """
        if not self._given[what]:
            return ""
        if address.startswith("-"):
            return 'begins with "-" and is not passed to the mda, which could take it for an option'
        if trusted:
            return ""
        if self._in_path[what] and leaves_folder(address):
            return "is not passed to the mda: as the name of a file it would leave the folder"
        if self._second and not is_text(address, self._second):
            return (
                f"is not passed to the mda: its second shell ({self._second}) could take it for "
                f"more than text; {RECIPE} takes any address"
            )
        return ""

    def sender(self, address: bytes | None) -> str:
        """Return an envelope sender as this command can be told of it."""
        if self._second:
            return decoded(address or b"") or NO_SENDER
        return "" if address is None else decoded(address) or "<>"

    def argv(self, sender: str, recipients: Sequence[str]) -> tuple[str, ...]:
        """Return what to start: a program's arguments, or a script and its parameters."""
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

    They stand quoted whatever quotes surround them in the command. With ``split`` %T is "$@", and
    %F has been taken away from there.
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
    """An MDA command. See ``mailhaul.flows.sink.Sink``."""

    keeps_return_path = True
    finds_offers = False
    domain = ""

    def __init__(
        self,
        command: str,
        timeout: float,
        spool_folder: str,
        *,
        split: bool = False,
        trusted: Collection[str] = (),
    ) -> None:
        self.template = Template(command, split=split)
        self.trusted = frozenset(trusted)
        """Names that the user himself has written down."""
        self.warned = False
        self.ended = 0
        """How many commands in a row had to be ended."""
        self.timeout = max(timeout, SECONDS)
        self.spool_folder = spool_folder
        self._running: Program | None = None

    async def open(self) -> None:
        """Nothing to do: each message starts its own process."""

    async def offer(self, parcel: Parcel) -> Delivery:
        """Begin to spool a message. Raises SinkUnavailable, and PollFailed (IOERR)."""
        if self.ended >= MAX_FAILURES_IN_A_ROW:
            raise SinkUnavailable(f"MDA: {self.ended} commands in a row did not end by themselves")
        try:
            spool = await new_spool(parcel.size, self.spool_folder)
        except SpoolTooSmall as fault:
            return Declined(too_large(fault))
        return MdaDelivery(self, parcel, spool)

    def listening(self) -> Sequence[Channel[Any] | Program]:
        """Return the process that is at work, if there is one."""
        return [self._running] if self._running else []

    def note(self, program: Program | None) -> None:
        """Remember which process is at work."""
        self._running = program

    async def close(self) -> None:
        """Nothing to do: no process outlives its verdict."""


class MdaDelivery:
    """One message for the MDA. See ``mailhaul.flows.sink.Delivery``."""

    def __init__(self, sink: MdaSink, parcel: Parcel, spool: int) -> None:
        self._sink = sink
        self._parcel = parcel
        self._spool = spool
        self._program: Program | None = None
        self._verdict: Outcome | None = None

    async def ready(self) -> bool:
        """Look at the addresses: what could be taken for more than one is not passed on."""
        template, trusted = self._sink.template, self._sink.trusted
        addresses = [("recipient", one) for one in self._recipients()]
        if self._parcel.sender:
            addresses.append(("sender", decoded(self._parcel.sender)))
        for what, address in addresses:
            known = what == "recipient" and address in trusted
            if why := template.objection(what, address, trusted=known):
                reason = f'the {what} "{address}" {why}'
                self._conclude(Outcome(Verdict.REFUSED, reason))
                return False
        return True

    def _recipients(self) -> list[str]:
        return [decoded(recipient) for recipient in self._parcel.recipients]

    async def feed(self, data: bytes) -> None:
        """Add some bytes to the spool. Where there is no room, that is the verdict.

        Raises PollFailed (IOERR).
        """
        if self._verdict is None and data:
            try:
                await Call(lambda: write_spool(self._spool, data, self._sink.spool_folder))
            except SpoolTooSmall as fault:
                self._conclude(too_large(fault))

    async def complete(self, proof: CompletionProof) -> None:
        """Start the MDA: ``proof`` says that the spool holds the whole message."""
        del proof
        if self._verdict is not None:
            return
        os.lseek(self._spool, 0, os.SEEK_SET)
        template = self._sink.template
        argv = template.argv(template.sender(self._parcel.sender), self._recipients())
        try:
            self._program = await Start(argv, self._spool, shell=template.shell)
        except ArgumentsTooLong as error:
            # Whoever wrote the message made it so: others have fewer recipients.
            self._conclude(Outcome(Verdict.REFUSED, f"MDA: {error}"))
            return
        except OpenFailed as error:
            self._conclude(Outcome(Verdict.POSTPONED, f"MDA: {error}"))
            raise SinkUnavailable(f"MDA: {error}") from None
        self._sink.note(self._program)

    async def outcome(self) -> Outcome:
        """Wait until the MDA ends; longer than the timeout it may not take.

        What it has done by then nobody knows, so that counts against the message: it must not come
        for ever.
        """
        while (verdict := self.settled()) is None:
            if self._program is None:
                return Outcome(Verdict.POSTPONED, "MDA was not started")
            try:
                await Wait([self._program], self._sink.timeout)
            except TimedOut as error:
                await Close(self._program)
                self._sink.ended += 1
                reason = f"MDA: {error}, ended{said(self._program)}"
                self._conclude(Outcome(Verdict.REFUSED, reason))
        return verdict

    def settled(self) -> Outcome | None:
        """Return the verdict if it is known already."""
        program = self._program
        if self._verdict is None and program is not None and program.status is not None:
            self._sink.ended = 0
            self._conclude(self._judge(program, program.status))
        return self._verdict

    def _judge(self, program: Program, status: int) -> Outcome:
        if status == 0:
            taken = tuple((who, Verdict.ACCEPTED) for who in self._recipients())
            return Outcome(Verdict.ACCEPTED, "", taken, warning=self._warning())
        if status == STATUS_UNKNOWN:
            reason = f"MDA ended, and nobody can tell with which status{said(program)}"
            return Outcome(Verdict.REFUSED, reason)
        if status < 0:
            # It may have delivered: counted as the message's own failure, copies have an end.
            return Outcome(Verdict.REFUSED, f"MDA died of signal {-status}{said(program)}")
        name = f" ({NAMES[status]})" if status in NAMES else ""
        for_good = status not in NOT_ABOUT_THE_MESSAGE
        verdict = Verdict.REFUSED if for_good else Verdict.POSTPONED
        return Outcome(verdict, f"MDA returned nonzero status {status}{name}{said(program)}")

    def _warning(self) -> str:
        """Say, once, that a command has read nothing: the descriptor is ours too, and shows it."""
        if self._sink.warned or os.lseek(self._spool, 0, os.SEEK_CUR):
            return ""
        self._sink.warned = True
        return "the command says that it has the message and has read nothing of it"

    async def abandon(self) -> None:
        """Forget the spool: no process has seen it."""
        self._conclude(Outcome(Verdict.POSTPONED, "the message was given up"))

    def let_go(self) -> None:
        """Close what is open, without waiting."""
        self._conclude(Outcome(Verdict.POSTPONED, "the poll was cancelled"))

    def _conclude(self, verdict: Outcome) -> None:
        self._verdict = self._verdict or verdict
        if self._spool >= 0:
            os.close(self._spool)
            self._spool = -1
        self._sink.note(None)


def said(program: Program) -> str:
    """Return the end of what a program wrote, for an error line."""
    words = program.output.strip()[-400:].decode("utf-8", "replace")
    return f"; it said: {' / '.join(words.splitlines())}" if words else ""


def decoded(address: bytes) -> str:
    """Return an address as an argument: bytes that are no UTF-8 pass unharmed."""
    return address.decode("utf-8", "surrogateescape")
