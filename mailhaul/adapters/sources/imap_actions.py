"""Delete and mark messages on an IMAP server, and record what it has confirmed.

Deletion is UID STORE and UID EXPUNGE. If a server has no UIDPLUS (RFC 4315), or announces it but
refuses UID EXPUNGE, EXPUNGE is sent only if every message flagged as deleted is one of ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ... import imap
from ...flows.account import Action
from ...flows.channel import Channel
from ...flows.report import Remark, Report
from ...protocols.errors import RemoteProtocolError
from ..login.access import excerpt

ACTION_SIZE = 500
"""The maximum messages deleted or marked by one command: any UIDs of them fit into a line."""
SILENT = b".SILENT"
NO_UIDS = frozenset[int]()
FLAGS = {Action.DELETE: rb"(\Seen \Deleted)", Action.MARK: rb"(\Seen)"}
FEWER_FLAGS = {Action.DELETE: rb"(\Deleted)", Action.MARK: rb"(\Seen)"}
"""The flags to set after the server refused FLAGS: some servers do not allow to set \\Seen."""


class Refusals:
    """The commands that this server has refused although it should support them."""

    __slots__ = ("store", "uid_expunge")

    def __init__(self) -> None:
        self.uid_expunge = False
        self.store = False


class Actions:
    """The actions on one open mailbox. ``perform`` sends commands, ``answered`` takes the replies.

    If the mailbox is ``read_only``, marking is not possible and counts as done at once. With
    ``leaves_unread`` it is not wanted, and counts as done as well.
    """

    __slots__ = (
        "_again",
        "_channel",
        "_deleted",
        "_failed",
        "_flagged",
        "_marked",
        "_refusals",
        "_report",
        "leaves_unread",
        "read_only",
        "under_way",
    )

    def __init__(self, channel: Channel[imap.Client], report: Report, refusals: Refusals) -> None:
        self.read_only = self.leaves_unread = False
        self.under_way: list[tuple[imap.Command, tuple[int, ...]]] = []
        self._channel = channel
        self._report = report
        self._refusals = refusals
        # Empty on most connections of a daemon, where a set of its own would take 216 octets.
        self._flagged: frozenset[int] = NO_UIDS
        self._deleted: list[int] = []
        self._marked: list[int] = []
        self._failed: frozenset[int] = NO_UIDS
        self._again: list[tuple[Action, tuple[int, ...]]] = []

    @property
    def expunges_all(self) -> bool:
        """Whether this server cannot expunge some messages and leave others."""
        uidplus = b"UIDPLUS" in self._channel.machine.capabilities
        return self._refusals.uid_expunge or not uidplus

    def perform(self, action: Action, uids: Sequence[int]) -> None:
        """Ask the server to delete or mark these messages, after the earlier commands."""
        if (self.read_only or self.leaves_unread) and action is Action.MARK:
            self._marked += uids
            return
        flags, silent = FLAGS[action], SILENT
        if self._refusals.store:
            flags, silent = FEWER_FLAGS[action], b""
        for start in range(0, len(uids), ACTION_SIZE):
            some = uids[start : start + ACTION_SIZE]
            self._send(imap.UidStore(imap.uid_set(some), b"+FLAGS" + silent, flags), some)
            if action is Action.MARK:
                continue
            if self.expunges_all:
                self._flagged |= {*some}
            else:
                self._send(imap.UidExpunge(imap.uid_set(some)), some)

    def _send(self, command: imap.Command, uids: Sequence[int]) -> None:
        self._channel.machine.send(command)
        self.under_way.append((command, tuple(uids)))

    def answered(self, done: imap.Completed) -> None:
        """Take the reply to the oldest command."""
        command, uids = self.under_way.pop(0)
        if done.command is not command:
            raise RemoteProtocolError("replies to UID STORE out of order", state="selected")
        if done.condition is not imap.Condition.OK:
            self._refused(command, uids, done)
        last = not any(set(uids) == set(others) for _, others in self.under_way)
        if last:
            # Flagged messages are not expunged yet; if the connection breaks, they stay pending.
            unsure = self._failed | self._flagged
            confirmed = self._deleted if deletes(command) else self._marked
            confirmed += [uid for uid in uids if uid not in unsure]

    def _refused(self, command: imap.Command, uids: tuple[int, ...], done: imap.Completed) -> None:
        """Record a refusal; ``retry_refused`` tries another form if there is one."""
        if isinstance(command, imap.UidExpunge):
            # Some servers announce UIDPLUS but do not support it.
            self._refusals.uid_expunge = True
            self._flagged |= {*uids}
            return
        self._failed |= {*uids}
        if isinstance(command, imap.UidStore) and command.operation.endswith(SILENT):
            action = Action.DELETE if deletes(command) else Action.MARK
            self._again.append((action, uids))
            self._refusals.store = True
        else:
            self._report_error(len(uids), done)

    def _report_error(self, count: int, done: imap.Completed) -> None:
        text = f"the server does not delete or mark {count} message(s): {excerpt(done.text)}"
        self._report(Remark(f"{self._channel.peer}: {text}", error=True))

    @property
    def refused(self) -> bool:
        """Whether the server has refused something that it may do in another form."""
        return bool(self._again or self._flagged)

    def retry_refused(self) -> None:
        """Send refused actions again, once and in another form."""
        again, self._again = self._again, []
        for action, uids in again:
            self._failed -= {*uids}
            self._flagged -= {*uids}
            self.perform(action, uids)

    def confirmed(self, action: Action) -> Sequence[int]:
        """Return the UIDs for which the server has done this action. Each is returned once."""
        if action is Action.DELETE:
            confirmed, self._deleted = self._deleted, []
        else:
            confirmed, self._marked = self._marked, []
        return confirmed

    async def expunge(
        self,
        ask: Callable[[imap.Command], Awaitable[imap.Completed]],
        deleted: Callable[[], Awaitable[Sequence[int]]],
    ) -> None:
        """Expunge without UIDs, if no other message is flagged as deleted.

        ``ask`` sends a command; ``deleted`` returns the UIDs of all messages flagged as deleted.
        """
        ours, self._flagged = self._flagged, NO_UIDS
        flagged = ours - self._failed
        if not flagged:
            return
        if not ours.issuperset(await deleted()):
            self._report(
                Remark(
                    f"{self._channel.peer}: other messages are flagged as deleted here too, and "
                    "this server cannot expunge ours alone (no UIDPLUS): ours stay flagged",
                    error=False,
                )
            )
            return
        done = await ask(imap.Expunge())
        if done.condition is imap.Condition.OK:
            self._deleted += sorted(flagged)
        else:
            self._report_error(len(flagged), done)


def deletes(command: imap.Command) -> bool:
    """Whether a command of ``Actions`` belongs to a deletion."""
    return not isinstance(command, imap.UidStore) or rb"\Deleted" in command.flags
