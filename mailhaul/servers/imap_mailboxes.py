"""IMAP commands on mailboxes: names, status, subscriptions and namespaces."""

from __future__ import annotations

from collections.abc import Callable

from .. import imap
from ..protocols.imap.arguments import BadSyntax
from ..protocols.imap.mailbox_names import encode_name
from .imap_queries import Refused
from .mailboxes import DELIMITER, Mailbox, Mailboxes, canonical_name, matches, with_parents

STATUS_ITEMS: dict[bytes, Callable[[Mailbox], int]] = {
    b"MESSAGES": lambda mailbox: len(mailbox.messages),
    b"RECENT": lambda mailbox: sum(m.uid >= mailbox.recent_from for m in mailbox.messages),
    b"UIDNEXT": lambda mailbox: mailbox.uidnext,
    b"UIDVALIDITY": lambda mailbox: mailbox.uidvalidity,
    b"UNSEEN": lambda mailbox: sum(rb"\Seen" not in m.flags for m in mailbox.messages),
    b"DELETED": lambda mailbox: sum(rb"\Deleted" in m.flags for m in mailbox.messages),
    b"SIZE": lambda mailbox: sum(m.size for m in mailbox.messages),
    b"HIGHESTMODSEQ": lambda mailbox: mailbox.modseq,
}
"""The items of STATUS (6.3.10; RFC 8438; RFC 7162, 3.1.7)."""
SPECIAL_USES = frozenset(rb"\all \archive \drafts \flagged \junk \sent \trash \important".split())
"""The special uses that a mailbox may have, in lower case (RFC 6154, section 2; RFC 8457)."""
SELECTING = frozenset({b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"})
RETURNING = frozenset({b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"})
"""The return options of LIST (RFC 5258, section 3; RFC 6154, section 2)."""
CRITERIA = (b"SUBSCRIBED", b"SPECIAL-USE")
"""The selection options that filter mailboxes. No mailbox here is remote."""

OnMailboxes = (
    imap.Namespace
    | imap.CreateMailbox
    | imap.DeleteMailbox
    | imap.Rename
    | imap.Subscribe
    | imap.Unsubscribe
    | imap.ListMailboxes
    | imap.ListSubscribed
    | imap.AskStatus
    | imap.GetQuotaRoot
)


class MailboxCommands:
    """Executes commands on mailboxes; ``send`` is called with each response."""

    def __init__(self, mailboxes: Mailboxes, send: Callable[[imap.Event], None]) -> None:
        self._mailboxes = mailboxes
        self._send = send

    def existing(self, name: bytes) -> Mailbox:
        """Return a mailbox. Raises Refused if it does not exist."""
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox", imap.Code(b"NONEXISTENT"))
        return mailbox

    def target(self, name: bytes) -> Mailbox:
        """Return the target mailbox for messages. Raises Refused (RFC 3501, 6.3.11)."""
        mailbox = self._mailboxes.find(name)
        if mailbox is None:
            raise Refused("no such mailbox", imap.Code(b"TRYCREATE"))
        return mailbox

    def do(self, command: OnMailboxes) -> None:
        """Execute a command. Raises Refused and BadSyntax."""
        names = self._mailboxes
        match command:
            case imap.Namespace():
                self._send(imap.Namespaces((imap.NamespaceEntry(b"", DELIMITER),)))
            case imap.CreateMailbox(name, special_use):
                name = name.removesuffix(DELIMITER)
                self._refuse_new(name)
                if {use.lower() for use in special_use} - SPECIAL_USES:
                    raise Refused("there is no such special use", imap.Code(b"USEATTR"))
                names.create(name, special_use)
            case imap.DeleteMailbox(name):
                self.existing(name)
                if canonical_name(name) == b"INBOX":
                    raise Refused("INBOX cannot be deleted", imap.Code(b"CANNOT"))
                names.delete(name)
            case imap.Rename(name, new_name):
                self._rename(canonical_name(name), canonical_name(new_name))
            case imap.Subscribe(name):
                self.existing(name)
                names.subscribed.add(canonical_name(name))
            case imap.Unsubscribe(name):
                names.subscribed.discard(canonical_name(name))
            case imap.ListMailboxes():
                self._list(command)
            case imap.ListSubscribed(reference, pattern):
                self._list_subscribed(reference + pattern)
            case imap.AskStatus(name, items):
                self._send(self._status(name, items))
            case imap.GetQuotaRoot():
                raise Refused("there are no quotas here")

    def _refuse_new(self, name: bytes) -> None:
        """Raise Refused if a name is not valid for a new mailbox."""
        if self._mailboxes.find(name) is not None:
            raise Refused("the mailbox already exists", imap.Code(b"ALREADYEXISTS"))
        if b"" in name.split(DELIMITER):
            raise Refused("a level of the name is empty", imap.Code(b"CANNOT"))
        # Names are in modified UTF-7 (5.1.3), which has only one valid encoding of a name.
        if not name.isascii() or encode_name(imap.decode_mailbox(name)) != name:
            raise Refused("the name is not valid modified UTF-7", imap.Code(b"CANNOT"))

    def _rename(self, name: bytes, new_name: bytes) -> None:
        names = self._mailboxes
        if not names.has_children(name):
            self.existing(name)
        self._refuse_new(new_name)
        if new_name.startswith(name + DELIMITER) and name != b"INBOX":
            raise Refused("a mailbox cannot be moved below itself", imap.Code(b"CANNOT"))
        if names.with_children(new_name):
            raise Refused("there are mailboxes below the new name", imap.Code(b"ALREADYEXISTS"))
        names.rename(name, new_name)

    def _list_subscribed(self, pattern: bytes) -> None:
        """Send the subscribed names, even of mailboxes that do not exist.

        For ``%``, also send the levels above them (6.3.9).
        """
        subscribed = self._mailboxes.subscribed
        levels: dict[bytes, bool] = {}
        for name in subscribed:
            if matches(pattern, name):
                levels[name] = True
            elif pattern.endswith(b"%"):
                above = (level for level in with_parents(name) if matches(pattern, level))
                levels.update((level, level in subscribed) for level in above)
        for name in sorted(levels):
            attributes = () if levels[name] else (rb"\Noselect",)
            self._send(imap.Listed(name, DELIMITER, attributes, lsub=True))

    def _list(self, command: imap.ListMailboxes) -> None:
        selecting, returning = set(command.selecting), set(command.returning)
        if unknown := (selecting - SELECTING) | (returning - RETURNING):
            raise BadSyntax(f"{min(unknown).decode('ascii', 'replace')} is not a supported option")
        if b"RECURSIVEMATCH" in selecting and selecting.isdisjoint(CRITERIA):
            raise BadSyntax("RECURSIVEMATCH needs another option (RFC 5258, section 3.1)")
        # Only the original LIST asks for the separator by an empty name (RFC 5258, section 3).
        extended = selecting or returning or command.status or command.extended
        if command.patterns == (b"",) and not extended:
            self._send(imap.Listed(b"", DELIMITER, (rb"\Noselect",)))
            return
        criteria = [word for word in CRITERIA if word in selecting]
        for name in sorted(self._names_for(command)):
            chosen = all(self._fulfils(name, word) for word in criteria)
            below: tuple[tuple[bytes, imap.Value], ...] = ()
            if b"RECURSIVEMATCH" in selecting and self._is_above(name, criteria):
                below = ((b"CHILDINFO", [imap.Text(word) for word in criteria]),)
            if chosen or below:
                attributes = self._attributes(name, command)
                self._send(imap.Listed(name, DELIMITER, attributes, extended=below))
                if command.status and name in self._mailboxes:
                    self._send(self._status(name, command.status))

    def _names_for(self, command: imap.ListMailboxes) -> set[bytes]:
        """Return all names that match the patterns of a LIST. An empty one matches none."""
        names = {level for name in self._mailboxes for level in with_parents(name)}
        if b"SUBSCRIBED" in command.selecting:
            names |= self._mailboxes.subscribed
        wanted = [command.reference + pattern for pattern in command.patterns if pattern]
        return {name for name in names if any(matches(pattern, name) for pattern in wanted)}

    def _fulfils(self, name: bytes, word: bytes) -> bool:
        if word == b"SUBSCRIBED":
            return name in self._mailboxes.subscribed
        mailbox = self._mailboxes.get(name)
        return mailbox is not None and bool(mailbox.special_use)

    def _is_above(self, name: bytes, criteria: list[bytes]) -> bool:
        """Whether any name below this one fulfils all criteria, regardless of the patterns."""
        below = {*self._mailboxes, *self._mailboxes.subscribed}
        return any(
            each.startswith(name + DELIMITER) and all(self._fulfils(each, w) for w in criteria)
            for each in below
        )

    def _attributes(self, name: bytes, command: imap.ListMailboxes) -> tuple[bytes, ...]:
        mailbox = self._mailboxes.get(name)
        found = [] if mailbox is not None else [rb"\NonExistent", rb"\Noselect"]
        children = self._mailboxes.has_children(name)
        found.append(rb"\HasChildren" if children else rb"\HasNoChildren")
        asked = {*command.selecting, *command.returning}
        if b"SUBSCRIBED" in asked and name in self._mailboxes.subscribed:
            found.append(rb"\Subscribed")
        return (*found, *(mailbox.special_use if mailbox is not None else ()))

    def _status(self, name: bytes, items: tuple[bytes, ...]) -> imap.MailboxStatus:
        if unknown := set(items) - STATUS_ITEMS.keys():
            raise BadSyntax(f"{min(unknown).decode('ascii', 'replace')} is not a supported item")
        mailbox = self.existing(name)
        return imap.MailboxStatus(
            name, tuple((item, STATUS_ITEMS[item](mailbox)) for item in items)
        )
