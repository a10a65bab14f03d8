"""What an IMAP server is asked to do with messages, and what it has confirmed.

Deletion is UID STORE and UID EXPUNGE. A server without UIDPLUS (RFC 4315), or one that announces it
and refuses UID EXPUNGE all the same, is asked to expunge only when every message flagged as deleted
is one of ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from ...flows.account import Action
from ...flows.channel import Channel
from ...flows.report import Report, Said
from ...protocols.errors import RemoteProtocolError
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import Command, Expunge, UidExpunge, UidStore
from ...protocols.imap.events import Completed, Condition
from ...protocols.imap.uid_sets import uid_set
from ..login.access import shown

ACTION_SIZE = 500
"""Messages deleted or marked by one command: their UIDs fit a line whatever they are."""
SILENT = b".SILENT"
FLAGS = {Action.DELETE: rb"(\Seen \Deleted)", Action.MARK: rb"(\Seen)"}
FEWER_FLAGS = {Action.DELETE: rb"(\Deleted)", Action.MARK: rb"(\Seen)"}
"""What is asked for where the server refused the usual: some let nobody set \\Seen."""


class Refusals:
    """What this server has refused although it should know it."""

    uid_expunge = False
    store = False


class Actions:
    """The actions on one open mailbox. ``perform`` asks, ``answered`` hears, ``finish`` ends.

    Where the mailbox is ``read_only`` nothing can be marked: it is done as soon as it is asked for.
    """

    def __init__(self, channel: Channel[ImapClient], report: Report, refusals: Refusals) -> None:
        self.read_only = False
        self.under_way: deque[tuple[Command, tuple[int, ...]]] = deque()
        self._channel = channel
        self._report = report
        self._refusals = refusals
        self._flagged: set[int] = set()
        self._confirmed: list[int] = []
        self._failed: set[int] = set()
        self._again: list[tuple[Action, tuple[int, ...]]] = []

    @property
    def expunges_all(self) -> bool:
        """Whether this server cannot expunge some messages and leave others."""
        uidplus = b"UIDPLUS" in self._channel.machine.capabilities
        return self._refusals.uid_expunge or not uidplus

    def perform(self, action: Action, uids: Sequence[int]) -> None:
        """Ask the server to delete or mark these messages, after what was asked before."""
        if self.read_only and action is Action.MARK:
            self._confirmed += uids
            return
        deletes = action is Action.DELETE
        flags, silent = FLAGS[action], SILENT
        if self._refusals.store:
            flags, silent = FEWER_FLAGS[action], b""
        for start in range(0, len(uids), ACTION_SIZE):
            some = uids[start : start + ACTION_SIZE]
            self._send(UidStore(uid_set(some), b"+FLAGS" + silent, flags), some)
            if deletes and not self.expunges_all:
                self._send(UidExpunge(uid_set(some)), some)
            elif deletes:
                self._flagged.update(some)

    def _send(self, command: Command, uids: Sequence[int]) -> None:
        self._channel.machine.send(command)
        self.under_way.append((command, tuple(uids)))

    def answered(self, done: Completed) -> None:
        """Take the reply to the oldest of the commands."""
        command, uids = self.under_way.popleft()
        if done.command is not command:
            raise RemoteProtocolError("replies to UID STORE out of order", state="selected")
        if done.condition is not Condition.OK:
            self._refused(command, uids, done)
        last = not any(set(uids) == set(others) for _, others in self.under_way)
        if last:
            # What has still to be expunged is not done: a line that breaks now leaves it owed.
            unsure = self._failed | self._flagged
            self._confirmed += [uid for uid in uids if uid not in unsure]

    def _refused(self, command: Command, uids: tuple[int, ...], done: Completed) -> None:
        """Note what was refused; ``finish`` asks for it in another way if there is one."""
        if isinstance(command, UidExpunge):
            # Some servers announce UIDPLUS and do not have it.
            self._refusals.uid_expunge = True
            self._flagged.update(uids)
            return
        self._failed.update(uids)
        if isinstance(command, UidStore) and command.operation.endswith(SILENT):
            action = Action.DELETE if rb"\Deleted" in command.flags else Action.MARK
            self._again.append((action, uids))
        else:
            self._complain(len(uids), done)

    def _complain(self, count: int, done: Completed) -> None:
        text = f"the server does not delete or mark {count} message(s): {shown(done.text)}"
        self._report(Said(f"{self._channel.peer}: {text}", error=True))

    def ask_again(self) -> None:
        """Ask in other words for what was refused, once."""
        again, self._again = self._again, []
        for action, uids in again:
            self._refusals.store = True
            self._failed.difference_update(uids)
            self._flagged.difference_update(uids)
            self.perform(action, uids)

    def confirmed(self) -> Sequence[int]:
        """Return, once, the UIDs for which the server has done what was asked."""
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    async def expunge(
        self,
        ask: Callable[[Command], Awaitable[Completed]],
        deleted: Callable[[], Awaitable[Sequence[int]]],
    ) -> None:
        """Expunge what could not be expunged by UID, if nothing else is flagged as deleted."""
        ours, self._flagged = self._flagged, set()
        flagged = ours - self._failed
        if not flagged:
            return
        if not ours.issuperset(await deleted()):
            self._report(
                Said(
                    f"{self._channel.peer}: other messages are flagged as deleted here too, and "
                    "this server cannot expunge ours alone (no UIDPLUS): they stay flagged",
                    error=False,
                )
            )
            return
        done = await ask(Expunge())
        if done.condition is Condition.OK:
            self._confirmed += sorted(flagged)
        else:
            self._complain(len(flagged), done)
