"""Our IMAP service with one fault each, where a fault on the wire would not be precise."""

from __future__ import annotations

from collections.abc import Iterable

from mailhaul.flows.channel import next_event
from mailhaul.protocols.imap.commands import (
    CloseMailbox,
    Command,
    Copy,
    Done,
    Fetch,
    Heard,
    Idle,
    Move,
    Store,
    UidMove,
    UidStore,
)
from mailhaul.protocols.imap.events import Closed, Code, Idling
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_messages import OpenMailbox
from mailhaul.servers.imap_queries import Refused


class ExpungesReadOnly(ImapService):
    """CLOSE and EXPUNGE remove messages after EXAMINE too."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box and isinstance(command, CloseMailbox):
            box.mailbox.expunge()
        return await super()._do_in_mailbox(box, command)

    def _expunge(self, box: OpenMailbox, uids: bytes | None) -> Code | None:
        box.mailbox.expunge()
        return None


class ExpungesAll(ImapService):
    """EXPUNGE removes every message."""

    def _expunge(self, box: OpenMailbox, uids: bytes | None) -> Code | None:
        box.mailbox.remove({message.uid for message in box.mailbox.messages})
        return None


class ExpungesAtAnyTime(ImapService):
    """EXPUNGE responses come in the answers to FETCH, STORE and SEARCH too."""

    def _send_updates(self, *, expunged: bool) -> None:
        super()._send_updates(expunged=True)


class ReportsNothing(ImapService):
    """Changes in the selected mailbox are not reported."""

    def _send_updates(self, *, expunged: bool) -> None:
        pass


class ForgetsNumbers(ImapService):
    """Message numbers change although no EXPUNGE was sent."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box and isinstance(command, Fetch):
            box.view.catch_up(expunged=True)
        return await super()._do_in_mailbox(box, command)


class ReportsLate(ImapService):
    """FETCH shows new messages that no EXISTS has announced."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box and isinstance(command, Fetch):
            box.view.catch_up(expunged=False)
        return await super()._do_in_mailbox(box, command)


class IdlesSilently(ImapService):
    """IDLE reports nothing before DONE."""

    async def _idle(self, command: Idle) -> None:
        self._machine.send(Idling(command))
        while not isinstance(await self._continuation(), Done):
            pass


class HastyExpunge(ImapService):
    """EXPUNGE responses come while no command is in progress."""

    async def _listen(self, *, expunged: bool) -> Heard | Closed:
        return await super()._listen(expunged=True)

    async def _next(self) -> Command | Closed:
        while not isinstance(event := await self._listen(expunged=True), Command | Closed):
            pass
        return event


class LogsOutEarly(ImapService):
    """A session ends after ten quiet minutes."""

    async def _next(self) -> Command | Closed:
        while True:
            event = await next_event(self._channel, 600.0)
            if isinstance(event, Command | Closed):
                return event


class EnableTakesAway(ImapService):
    """ENABLE changes what CAPABILITY lists."""

    def _enable(self, names: Iterable[bytes]) -> None:
        super()._enable(names)
        self._capabilities -= {b"IDLE"}


class CompressesTwice(ImapServer):
    """A second COMPRESS gets OK."""

    def _say(self, line: bytes, redacted: bytes | None = None) -> None:
        super()._say(line.replace(b"NO [COMPRESSIONACTIVE]", b"OK"), redacted)


class HidesOtherChanges(ImapService):
    """STORE with .SILENT hides what other sessions have changed."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        code = await super()._do_in_mailbox(box, command)
        if box and isinstance(command, Store | UidStore):
            box.view.catch_up(expunged=False)
        return code


class ReusesUids(ImapService):
    """A UID that is free is used again."""

    def _expunge(self, box: OpenMailbox, uids: bytes | None) -> Code | None:
        code = super()._expunge(box, uids)
        box.mailbox.uidnext = box.mailbox.messages[-1].uid + 1
        return code


class CopiesInPart(ImapService):
    """A COPY that fails leaves the first copies in the target."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        try:
            return await super()._do_in_mailbox(box, command)
        except Refused:
            if box and isinstance(command, Copy):
                box.copy(Copy(b"1", command.mailbox), self._mailboxes.target(command.mailbox))
            raise


class Moving(ImapService):
    """A service with a fault in MOVE."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box and isinstance(command, Move | UidMove):
            return await self.move(box, command)
        return await super()._do_in_mailbox(box, command)

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        """Do what MOVE asks for, with the fault."""
        return await super()._do_in_mailbox(box, command)


class CopiesForMove(Moving):
    """MOVE removes the message from the sight of the session, but not from the mailbox."""

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        gone = [message for _, message in box.find(command)]
        code = await super().move(box, command)
        box.mailbox.messages = sorted([*box.mailbox.messages, *gone], key=lambda m: m.uid)
        return code


class ExpungesAfterMove(Moving):
    """MOVE removes everything with \\Deleted."""

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        code = await super().move(box, command)
        box.mailbox.expunge()
        return code


class LosesMessages(Moving):
    """A MOVE that fails has removed the messages."""

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        try:
            return await super().move(box, command)
        except Refused:
            box.mailbox.remove({message.uid for _, message in box.find(command)})
            raise


class DeletesBeforeMove(Moving):
    """MOVE sets \\Deleted before it copies."""

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        for _, message in box.find(command):
            message.flags = message.flags | {rb"\Deleted"}
        return await super().move(box, command)


class MovesReadOnly(Moving):
    """MOVE works after EXAMINE too."""

    async def move(self, box: OpenMailbox, command: Move | UidMove) -> Code | None:
        box.read_only = False
        return await super().move(box, command)
