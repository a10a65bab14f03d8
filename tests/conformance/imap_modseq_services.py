"""Our IMAP service with one fault each in what it does about mod-sequences."""

from __future__ import annotations

from mailhaul.protocols.imap.commands import Append, Command, Resync, Select, Store
from mailhaul.protocols.imap.events import Code
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_messages import OpenMailbox


class IgnoresSilentStores(ImapService):
    """A STORE with .SILENT does not raise the mod-sequence."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        messages = box.mailbox.messages if box else []
        before = [message.modseq for message in messages]
        code = await super()._do_in_mailbox(box, command)
        if isinstance(command, Store) and command.operation.upper().endswith(b".SILENT"):
            for message, modseq in zip(messages, before, strict=True):
                message.modseq = modseq
        return code


class CountsEveryStore(ImapService):
    """Every STORE raises the mod-sequence, even of flags that are set already."""

    async def _do_in_mailbox(self, box: OpenMailbox | None, command: Command) -> Code | None:
        if box and isinstance(command, Store):
            for _, message in box.find(command):
                box.mailbox.touch(message)
        return await super()._do_in_mailbox(box, command)


class NewMailIsOld(ImapService):
    """An appended message has the lowest mod-sequence."""

    async def _append(self, command: Append) -> Code:
        code = await super()._append(command)
        self._mailboxes.target(command.mailbox).messages[-1].modseq = 1
        return code


class BeginsSilently(ImapService):
    """The first use of mod-sequences does not give the highest."""

    def _use_condstore(self) -> None:
        self._enabled.add(b"CONDSTORE")
        if self._open:
            self._open.with_modseq = True


class ForgetsCondstore(ImapService):
    """SELECT ends the use of mod-sequences."""

    def _select(self, command: Select) -> Code:
        self._enabled.discard(b"CONDSTORE")
        return super()._select(command)


class IgnoresUidValidity(ImapService):
    """SELECT with QRESYNC reports changes whatever UIDVALIDITY the client has."""

    def _resync(self, box: OpenMailbox, resync: Resync) -> None:
        validity = box.mailbox.uidvalidity
        super()._resync(box, Resync(validity, resync.modseq, resync.known_uids))


class ReportsEverything(ImapService):
    """SELECT with QRESYNC reports every message."""

    def _resync(self, box: OpenMailbox, resync: Resync) -> None:
        super()._resync(box, Resync(resync.uid_validity, 0, resync.known_uids))
