"""Our IMAP service with one fault each, where a fault on the wire would not be precise."""

from __future__ import annotations

from mailhaul.protocols.imap.commands import CloseMailbox, Command
from mailhaul.protocols.imap.events import Code
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_messages import OpenMailbox


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
