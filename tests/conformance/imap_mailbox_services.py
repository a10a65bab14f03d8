"""Our IMAP service with one fault each in its commands on mailboxes."""

from __future__ import annotations

from typing import Any

from mailhaul.protocols.imap.commands import (
    AskStatus,
    CreateMailbox,
    DeleteMailbox,
    ListMailboxes,
    Rename,
    Select,
)
from mailhaul.protocols.imap.events import Code
from mailhaul.servers.imap import ImapService
from mailhaul.servers.imap_mailboxes import MailboxCommands, OnMailboxes
from mailhaul.servers.imap_queries import Refused
from mailhaul.servers.mailboxes import Mailbox


def service_with(commands: type[MailboxCommands]) -> type[ImapService]:
    """Return our service with other commands on mailboxes."""

    class Service(ImapService):
        def __init__(self, channel: Any, mailboxes: Any, *more: Any, **options: Any) -> None:
            super().__init__(channel, mailboxes, *more, **options)
            self._mailboxes = commands(mailboxes, self._machine.send)

    return Service


class ExaminesForWriting(ImapService):
    """EXAMINE says READ-ONLY, and everything can be changed."""

    def _select(self, command: Select) -> Code:
        code = super()._select(Select(command.mailbox))
        return Code(b"READ-ONLY") if command.read_only else code


class TakesAnyName(MailboxCommands):
    """Every name can be created."""

    def _refuse_new(self, name: bytes) -> None:
        """Refuse nothing."""


class DeletesChildren(MailboxCommands):
    """DELETE takes the mailboxes below with it."""

    def do(self, command: OnMailboxes) -> None:
        if not isinstance(command, DeleteMailbox):
            super().do(command)
            return
        for name in self._mailboxes.with_children(command.mailbox):
            self._mailboxes.delete(name)


class ReusesUids(MailboxCommands):
    """Every mailbox has the same UIDVALIDITY."""

    def do(self, command: OnMailboxes) -> None:
        super().do(command)
        if isinstance(command, CreateMailbox):
            self._mailboxes[command.mailbox].uidvalidity = 1


class RenamesOne(MailboxCommands):
    """RENAME leaves the mailboxes below where they are."""

    def do(self, command: OnMailboxes) -> None:
        if isinstance(command, Rename):
            self._mailboxes[command.new_name] = self._mailboxes.pop(command.mailbox)
        else:
            super().do(command)


class CopiesInbox(MailboxCommands):
    """RENAME of INBOX leaves the messages in it, too."""

    def do(self, command: OnMailboxes) -> None:
        inbox = self._mailboxes[b"INBOX"]
        super().do(command)
        if isinstance(command, Rename):
            self._mailboxes[b"INBOX"] = Mailbox([each.text for each in inbox.messages])


class Overwrites(MailboxCommands):
    """RENAME replaces a mailbox that exists."""

    def _rename(self, name: bytes, new_name: bytes) -> None:
        self._mailboxes.rename(name, new_name)


class UnsubscribesDeleted(MailboxCommands):
    """DELETE ends the subscription."""

    def do(self, command: OnMailboxes) -> None:
        super().do(command)
        if isinstance(command, DeleteMailbox):
            self._mailboxes.subscribed.discard(command.mailbox)


class StatusSeesMessages(MailboxCommands):
    r"""STATUS counts as the first session that sees the messages."""

    def do(self, command: OnMailboxes) -> None:
        super().do(command)
        if isinstance(command, AskStatus):
            mailbox = self.existing(command.mailbox)
            mailbox.recent_from = mailbox.uidnext


class CrossesLevels(MailboxCommands):
    """In patterns "%" matches what "*" does."""

    def do(self, command: OnMailboxes) -> None:
        if isinstance(command, ListMailboxes):
            patterns = [pattern.replace(b"%", b"*") for pattern in command.patterns]
            command = ListMailboxes(command.reference, tuple(patterns))
        super().do(command)


class ListsPatternByPattern(MailboxCommands):
    """A name is listed once for each pattern that it matches."""

    def do(self, command: OnMailboxes) -> None:
        if isinstance(command, ListMailboxes):
            for pattern in command.patterns:
                super().do(ListMailboxes(command.reference, (pattern,)))
        else:
            super().do(command)


class SelectsEveryUse(MailboxCommands):
    """The selection option SPECIAL-USE selects everything."""

    def do(self, command: OnMailboxes) -> None:
        if isinstance(command, ListMailboxes):
            command = ListMailboxes(command.reference, command.patterns)
        super().do(command)


class CreatesAnyway(MailboxCommands):
    """CREATE with an unknown special use gets NO, and creates the mailbox."""

    def do(self, command: OnMailboxes) -> None:
        try:
            super().do(command)
        except Refused:
            if isinstance(command, CreateMailbox):
                super().do(CreateMailbox(command.mailbox))
            raise


class CreatesTarget(MailboxCommands):
    """APPEND gets NO for a mailbox that does not exist, and creates it."""

    def target(self, name: bytes) -> Mailbox:
        try:
            return super().target(name)
        except Refused:
            self._mailboxes.create(name)
            raise
