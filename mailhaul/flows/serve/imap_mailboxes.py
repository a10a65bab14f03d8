"""What an IMAP client asks about mailboxes: their names, their state, and where they live."""

from __future__ import annotations

from collections.abc import Callable

from ...protocols.imap.commands import (
    AskStatus,
    CreateMailbox,
    DeleteMailbox,
    ListMailboxes,
    ListSubscribed,
    Namespace,
    Rename,
    Subscribe,
    Unsubscribe,
)
from ...protocols.imap.events import (
    Code,
    Event,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
)
from .imap_queries import Refused
from .mailboxes import DELIMITER, Mailbox, Mailboxes, canonical_name

STATUS_ITEMS: dict[bytes, Callable[[Mailbox], int]] = {
    b"MESSAGES": lambda mailbox: len(mailbox.messages),
    b"RECENT": lambda mailbox: 0,
    b"UIDNEXT": lambda mailbox: mailbox.uidnext,
    b"UIDVALIDITY": lambda mailbox: mailbox.uidvalidity,
    b"UNSEEN": lambda mailbox: sum(rb"\Seen" not in m.flags for m in mailbox.messages),
    b"DELETED": lambda mailbox: sum(rb"\Deleted" in m.flags for m in mailbox.messages),
    b"SIZE": lambda mailbox: sum(m.size for m in mailbox.messages),
    b"HIGHESTMODSEQ": lambda mailbox: mailbox.modseq,
}
"""What STATUS can be asked for (6.3.10; RFC 8438; RFC 7162, 3.1.7)."""

OnMailboxes = (
    Namespace
    | CreateMailbox
    | DeleteMailbox
    | Rename
    | Subscribe
    | Unsubscribe
    | ListMailboxes
    | ListSubscribed
    | AskStatus
)


class MailboxCommands:
    """Does what commands on mailboxes ask for; ``say`` takes the answers."""

    def __init__(self, mailboxes: Mailboxes, say: Callable[[Event], None]) -> None:
        self._mailboxes = mailboxes
        self._say = say

    def existing(self, name: bytes) -> Mailbox:
        """Return a mailbox. Raises Refused when there is none."""
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox", Code(b"NONEXISTENT"))
        return mailbox

    def target(self, name: bytes) -> Mailbox:
        """Return a mailbox that messages are to go to. Raises Refused (RFC 3501, 6.3.11)."""
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox", Code(b"TRYCREATE"))
        return mailbox

    def do(self, command: OnMailboxes) -> None:
        """Do what a command asks for. Raises Refused."""
        names = self._mailboxes
        match command:
            case Namespace():
                self._say(Namespaces((NamespaceEntry(b"", DELIMITER),)))
            case CreateMailbox(name, special_use):
                self._refuse_existing(name)
                names[name.removesuffix(DELIMITER)] = Mailbox(special_use=special_use)
            case DeleteMailbox(name):
                self.existing(name)
                if canonical_name(name) == b"INBOX":
                    raise Refused("INBOX stays", Code(b"CANNOT"))
                del names[name]
            case Rename(name, new_name):
                self._rename(name, new_name)
            case Subscribe(name):
                self.existing(name)
                names.subscribed.add(canonical_name(name))
            case Unsubscribe(name):
                names.subscribed.discard(canonical_name(name))
            case ListMailboxes():
                self._list(command)
            case ListSubscribed(reference, pattern):
                for name in self._mailboxes.matching(reference + pattern):
                    if name in names.subscribed:
                        self._say(Listed(name, DELIMITER, (), lsub=True))
            case AskStatus(name, items):
                self._say(self._status(name, items))

    def _refuse_existing(self, name: bytes) -> None:
        if self._mailboxes.find(name.removesuffix(DELIMITER)) is not None:
            raise Refused("this mailbox is there already", Code(b"ALREADYEXISTS"))

    def _rename(self, name: bytes, new_name: bytes) -> None:
        mailbox = self.existing(name)
        self._refuse_existing(new_name)
        if canonical_name(name) == b"INBOX":
            # INBOX stays, and what was in it goes (6.3.5).
            self._mailboxes[b"INBOX"] = Mailbox(uidvalidity=mailbox.uidvalidity + 1)
            self._mailboxes[new_name] = mailbox
            return
        for old in [*self._mailboxes]:
            if old == name or old.startswith(name + DELIMITER):
                self._mailboxes[new_name + old[len(name) :]] = self._mailboxes.pop(old)

    def _list(self, command: ListMailboxes) -> None:
        if command.patterns == (b"",):
            self._say(Listed(b"", DELIMITER, (rb"\Noselect",)))
            return
        wanted = (command.reference + pattern for pattern in command.patterns)
        found = {name for pattern in wanted for name in self._mailboxes.matching(pattern)}
        for name in sorted(found):
            if self._is_selected(name, command.selecting):
                self._say(Listed(name, DELIMITER, self._attributes(name, command)))
                if command.status and name in self._mailboxes:
                    self._say(self._status(name, command.status))

    def _is_selected(self, name: bytes, selecting: tuple[bytes, ...]) -> bool:
        mailbox = self._mailboxes.get(name)
        if b"SUBSCRIBED" in selecting and name not in self._mailboxes.subscribed:
            return False
        return b"SPECIAL-USE" not in selecting or bool(mailbox and mailbox.special_use)

    def _attributes(self, name: bytes, command: ListMailboxes) -> tuple[bytes, ...]:
        mailbox = self._mailboxes.get(name)
        found = [] if mailbox else [rb"\NonExistent", rb"\Noselect"]
        children = self._mailboxes.has_children(name)
        found.append(rb"\HasChildren" if children else rb"\HasNoChildren")
        asked = {*command.selecting, *command.returning}
        if b"SUBSCRIBED" in asked and name in self._mailboxes.subscribed:
            found.append(rb"\Subscribed")
        return (*found, *(mailbox.special_use if mailbox else ()))

    def _status(self, name: bytes, items: tuple[bytes, ...]) -> MailboxStatus:
        mailbox = self.existing(name)
        if unknown := set(items) - STATUS_ITEMS.keys():
            raise Refused(f"{min(unknown).decode('ascii', 'replace')} cannot be had here")
        return MailboxStatus(name, tuple((item, STATUS_ITEMS[item](mailbox)) for item in items))
