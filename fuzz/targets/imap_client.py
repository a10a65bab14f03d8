"""The IMAP client, whatever a server says to whatever commands."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from mailhaul.protocols.errors import RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.codes import append_uid, copy_uid, number_in
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    AskStatus,
    Capability,
    CloseMailbox,
    Command,
    Compress,
    Continuation,
    Copy,
    CreateMailbox,
    Done,
    Enable,
    EventGroup,
    Expunge,
    Fetch,
    Id,
    Idle,
    ListMailboxes,
    ListSubscribed,
    Login,
    Logout,
    Namespace,
    Noop,
    Notify,
    Resync,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
)
from mailhaul.protocols.imap.events import Completed, Event, Fetched, Greeted, Listed, Status
from mailhaul.protocols.imap.mailbox_names import decode_mailbox
from mailhaul.protocols.imap.structure import read_body, read_envelope
from mailhaul.protocols.imap.uid_sets import read_set
from mailhaul.protocols.imap.values import Value
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Respond
from mailhaul.protocols.secret import Secret

from ..conversation import SECRET, Setting, converse
from ..finding import promise

COMMANDS: dict[str, Command | Continuation] = {
    "c": Capability(),
    "n": Noop(),
    "o": Logout(),
    "i": Id(((b"name", b"mailhaul"), (b"version", None))),
    "t": StartTls(),
    "l": Login(b"joe", Secret(SECRET)),
    "L": Login(b"j\xc3\xb6", Secret(b"\xc3\xa4" + SECRET)),
    "a": Authenticate(b"PLAIN", Secret(b"\0joe\0" + SECRET)),
    "A": Authenticate(b"CRAM-MD5"),
    "r": Respond(Secret(SECRET)),
    "x": CancelAuthentication(),
    "b": Enable((b"UTF8=ACCEPT",)),
    "z": Compress(),
    "N": Namespace(),
    "s": Select(b"INBOX"),
    "S": Select(b"Entw\xc3\xbcrfe", read_only=True),
    "y": Select(b"INBOX", condstore=True, resync=Resync(7, 12)),
    "C": CloseMailbox(),
    "u": Unselect(),
    "e": Expunge(),
    "q": Search(b"UNSEEN"),
    "f": Fetch(b"1:*", b"(UID FLAGS)"),
    "w": Store(b"1", b"+FLAGS", b"(\\Seen)"),
    "k": Copy(b"1", b"Archive"),
    "Q": UidSearch(b"ALL", (b"COUNT", b"ALL")),
    "F": UidFetch(b"5", b"(UID BODY.PEEK[])"),
    "W": UidStore(b"5", b"+FLAGS.SILENT", b"(\\Deleted)", 12),
    "E": UidExpunge(b"5"),
    "m": UidMove(b"5", b"Archive"),
    "I": Idle(),
    "d": Done(),
    "p": Append(b"Sent", 6, (b"\\Seen",), b"17-Jul-1996 02:44:25 -0700"),
    "P": Append(b"Sent", 6, utf8=True),
    "1": AppendChunk(b"abc"),
    "M": CreateMailbox(b"a\xe9b", (b"\\Sent",)),
    "j": ListMailboxes(),
    "J": ListMailboxes(b"", (b"*",), (b"SUBSCRIBED",), (b"CHILDREN",), (b"MESSAGES",)),
    "U": ListSubscribed(),
    "T": AskStatus(b"INBOX", (b"MESSAGES", b"UIDNEXT")),
    "Y": Notify(),
    "V": Notify((EventGroup(b"MAILBOXES", (b"MessageNew",), (b"a\xe9b", b"INBOX")),), status=True),
}


def sends(command: Command | Continuation) -> Callable[[ImapClient], None]:
    """Return what sends a command."""
    return lambda client: client.send(command)


LETTERS: dict[int, Callable[[ImapClient], None]] = {
    **{ord(letter): sends(command) for letter, command in COMMANDS.items()},
    ord("v"): ImapClient.assume_authenticated,
}


def read(client: ImapClient, event: Event) -> None:
    """Read what a source's user may want to know, as far as it goes."""
    match event:
        case Fetched(others=others):
            for name, value in others:
                with suppress(RemoteProtocolError):
                    if name in READERS:
                        READERS[name](value)
        case Completed(code=code) | Status(code=code) | Greeted(code=code):
            append_uid(code)
            copied = copy_uid(code)
            sizes = [count(s) for s in (copied.source, copied.destination)] if copied else [0, 0]
            promise(sizes[0] == sizes[1], "COPYUID with sets of two sizes")
            number_in(code, b"UIDNEXT")
        case Listed(mailbox=mailbox):
            decode_mailbox(mailbox)
            decode_mailbox(mailbox, utf8=True)
        case _:
            pass


def count(uids: bytes) -> int:
    """Return how many UIDs a set names."""
    return sum(last - first + 1 for first, last in read_set(uids, 0))


READERS: dict[bytes, Callable[[Value], object]] = {
    b"ENVELOPE": read_envelope,
    b"BODY": read_body,
    b"BODYSTRUCTURE": read_body,
}
SETTING = Setting(ImapClient, LETTERS, read)


def target(data: bytes) -> None:
    """Hold the conversation."""
    converse(SETTING, data)
