"""Write commands for an IMAP client, and name them for messages (RFC 3501, section 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import LocalProtocolError
from ..sasl.exchange import Authenticate, encode_initial
from .commands import (
    Append,
    AskStatus,
    Capability,
    CloseMailbox,
    Command,
    Compress,
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Enable,
    EventGroup,
    Expunge,
    Fetch,
    GetQuotaRoot,
    Id,
    Idle,
    ListMailboxes,
    ListSubscribed,
    Login,
    Logout,
    Move,
    Namespace,
    Noop,
    Notify,
    Rename,
    Search,
    Select,
    StartTls,
    Store,
    Subscribe,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
    Unsubscribe,
)
from .strings import Abilities, Wire

OnMessages = Fetch | Store | Copy | Move | UidFetch | UidStore | UidCopy | UidMove

MESSAGE_NEW = b"MESSAGENEW"
"""The one event of NOTIFY that takes items (RFC 5465, 5.2), in upper case."""
NAMES: dict[type, str] = {
    Capability: "CAPABILITY",
    Noop: "NOOP",
    Logout: "LOGOUT",
    Id: "ID",
    StartTls: "STARTTLS",
    Authenticate: "AUTHENTICATE",
    Login: "LOGIN",
    Enable: "ENABLE",
    Compress: "COMPRESS",
    Namespace: "NAMESPACE",
    CreateMailbox: "CREATE",
    DeleteMailbox: "DELETE",
    Rename: "RENAME",
    Subscribe: "SUBSCRIBE",
    Unsubscribe: "UNSUBSCRIBE",
    ListMailboxes: "LIST",
    ListSubscribed: "LSUB",
    AskStatus: "STATUS",
    GetQuotaRoot: "GETQUOTAROOT",
    Select: "SELECT",
    Append: "APPEND",
    Idle: "IDLE",
    Notify: "NOTIFY",
    CloseMailbox: "CLOSE",
    Unselect: "UNSELECT",
    Expunge: "EXPUNGE",
    Search: "SEARCH",
    Fetch: "FETCH",
    Store: "STORE",
    Copy: "COPY",
    Move: "MOVE",
    UidSearch: "UID SEARCH",
    UidFetch: "UID FETCH",
    UidStore: "UID STORE",
    UidCopy: "UID COPY",
    UidMove: "UID MOVE",
    UidExpunge: "UID EXPUNGE",
}
"""The name of each command. Select is sent as EXAMINE if it is ``read_only``."""


def encode(command: Command, abilities: Abilities) -> Wire:
    """Return a command without its tag. Raises LocalProtocolError if it cannot be sent.

    ``abilities`` decide how strings are written.
    """
    add_arguments = ARGUMENTS.get(type(command))
    name = name_of(command).encode("ascii")
    wire = Wire(name + b" " if add_arguments else name, abilities)
    if add_arguments:
        add_arguments(wire, command)
    return wire


def name_of(command: Command) -> str:
    """Return the name of a command as in the RFC."""
    if isinstance(command, Select):
        return "EXAMINE" if command.read_only else "SELECT"
    return NAMES[type(command)]


def unanswered(commands: Sequence[Command]) -> str:
    """Return the start of a sentence about unanswered commands: ``NOOP and 2 more were``."""
    first, *more = commands
    return f"{describe(first)} and {len(more)} more were" if more else f"{describe(first)} was"


def describe(command: Command) -> str:
    """Return the name of a command, with the first of its UIDs."""
    match command:
        case UidFetch(uids) | UidStore(uids) | UidExpunge(uids):
            return f"{name_of(command)} {uids[:40].decode('ascii', 'replace')}"
        case _:
            return name_of(command)


# One function for the arguments of each command, selected by the type of the command.


def _login(wire: Wire, command: Login) -> None:
    wire.string(command.user).verbatim(b" ").string(command.password.reveal(), secret=True)


def _authenticate(wire: Wire, command: Authenticate) -> None:
    wire.raw(command.mechanism)
    if command.initial_response is not None and goes_along(command, wire.abilities):
        wire.verbatim(b" ").secret(encode_initial(command.initial_response.reveal()))


def takes_initial(abilities: Abilities) -> bool:
    """Whether an initial response may follow AUTHENTICATE (RFC 4959; RFC 9051, 6.2.2)."""
    return bool({b"SASL-IR", b"IMAP4REV2"} & abilities.capabilities)


def goes_along(command: Authenticate, abilities: Abilities) -> bool:
    """Whether the initial response is sent with AUTHENTICATE, not after an empty challenge."""
    return command.at_once and takes_initial(abilities)


def _id(wire: Wire, command: Id) -> None:
    if command.fields is None:
        wire.verbatim(b"NIL")
        return
    wire.verbatim(b"(")
    for place, (field, value) in enumerate(command.fields):
        wire.verbatim(b" " if place else b"").string(field).verbatim(b" ")
        if value is None:
            wire.verbatim(b"NIL")
        else:
            wire.string(value)
    wire.verbatim(b")")


def _enable(wire: Wire, command: Enable) -> None:
    wire.raw(b" ".join(command.names))


def _select(wire: Wire, command: Select) -> None:
    wire.string(command.mailbox)
    resync = command.resync
    if resync:
        known = b" " + resync.known_uids if resync.known_uids else b""
        wire.raw(b" (QRESYNC (%d %d%b))" % (resync.uid_validity, resync.modseq, known))
    elif command.condstore:
        wire.verbatim(b" (CONDSTORE)")


def _create(wire: Wire, command: CreateMailbox) -> None:
    wire.string(command.mailbox)
    if command.special_use:
        wire.verbatim(b" (USE ").listed(command.special_use).verbatim(b")")


def _mailbox(wire: Wire, command: DeleteMailbox | Subscribe | Unsubscribe | GetQuotaRoot) -> None:
    wire.string(command.mailbox)


def _rename(wire: Wire, command: Rename) -> None:
    wire.string(command.mailbox).verbatim(b" ").string(command.new_name)


def _list(wire: Wire, command: ListMailboxes) -> None:
    if command.selecting:
        wire.listed(command.selecting).verbatim(b" ")
    wire.string(command.reference)
    many = len(command.patterns) != 1 or command.extended
    wire.verbatim(b" (" if many else b" ")
    for place, pattern in enumerate(command.patterns):
        wire.verbatim(b" " if place else b"").string(pattern)
    wire.verbatim(b")" if many else b"")
    status = [b"STATUS (%b)" % b" ".join(command.status)] if command.status else []
    if command.returning or status:
        wire.verbatim(b" RETURN ").listed([*command.returning, *status])


def _lsub(wire: Wire, command: ListSubscribed) -> None:
    wire.string(command.reference).verbatim(b" ").string(command.pattern)


def _status(wire: Wire, command: AskStatus) -> None:
    wire.string(command.mailbox).verbatim(b" ").listed(command.items)


def _append(wire: Wire, command: Append) -> None:
    wire.string(command.mailbox).verbatim(b" ")
    if command.flags:
        wire.listed(command.flags).verbatim(b" ")
    if command.internal_date is not None:
        wire.raw(b'"%b" ' % command.internal_date)
    size, plus = command.size, b"+" if wire.abilities.takes_at_once(command.size) else b""
    binary = b"~" if command.binary or command.utf8 else b""
    wire.verbatim(b"%b%b{%d%b}" % (b"UTF8 (" if command.utf8 else b"", binary, size, plus))


def _notify(wire: Wire, command: Notify) -> None:
    if not command.groups:
        wire.verbatim(b"NONE")
        return
    wire.verbatim(b"SET STATUS" if command.status else b"SET")
    for group in command.groups:
        wire.verbatim(b" (").raw(group.which)
        if group.names:
            wire.verbatim(b" (")
            for place, name in enumerate(group.names):
                wire.verbatim(b" " if place else b"").string(name)
            wire.verbatim(b")")
        _events(wire.verbatim(b" "), group)
        wire.verbatim(b")")


def _events(wire: Wire, group: EventGroup) -> None:
    """Write the events of a group. The FETCH items for new messages follow MessageNew."""
    if not group.events:
        wire.verbatim(b"NONE")
        return
    items = b" (%b)" % b" ".join(group.fetch) if group.fetch else b""
    wire.listed(event + items if event.upper() == MESSAGE_NEW else event for event in group.events)


def _search(wire: Wire, command: Search | UidSearch) -> None:
    if command.returning is not None:
        wire.verbatim(b"RETURN ").listed(command.returning).verbatim(b" ")
    wire.raw(command.criteria)


def _set_of(command: Store | Copy | Move | UidStore | UidCopy | UidMove) -> bytes:
    match command:
        case Store() | Copy() | Move():
            return command.numbers
        case _:
            return command.uids


def _fetch(wire: Wire, command: Fetch | UidFetch) -> None:
    modifiers = b" (%b)" % command.modifiers if command.modifiers else b""
    which = command.uids if isinstance(command, UidFetch) else command.numbers
    wire.raw(b"%b %b%b" % (which, command.items, modifiers))


def _store(wire: Wire, command: Store | UidStore) -> None:
    since = command.unchanged_since
    modifier = b"" if since is None else b"(UNCHANGEDSINCE %d) " % since
    wire.raw(b"%b %b%b %b" % (_set_of(command), modifier, command.operation, command.flags))


def _copy(wire: Wire, command: Copy | Move | UidCopy | UidMove) -> None:
    wire.raw(_set_of(command)).verbatim(b" ").string(command.mailbox)


def _uid_expunge(wire: Wire, command: UidExpunge) -> None:
    wire.raw(command.uids)


def _compress(wire: Wire, command: Compress) -> None:
    wire.verbatim(b"DEFLATE")


ARGUMENTS: dict[type, Callable[[Wire, Any], None]] = {
    Login: _login,
    Authenticate: _authenticate,
    Id: _id,
    Enable: _enable,
    Compress: _compress,
    Select: _select,
    CreateMailbox: _create,
    DeleteMailbox: _mailbox,
    Rename: _rename,
    Subscribe: _mailbox,
    Unsubscribe: _mailbox,
    ListMailboxes: _list,
    ListSubscribed: _lsub,
    AskStatus: _status,
    GetQuotaRoot: _mailbox,
    Append: _append,
    Notify: _notify,
    Search: _search,
    Fetch: _fetch,
    Store: _store,
    Copy: _copy,
    Move: _copy,
    UidSearch: _search,
    UidFetch: _fetch,
    UidStore: _store,
    UidCopy: _copy,
    UidMove: _copy,
    UidExpunge: _uid_expunge,
}
"""The functions that write the arguments. The other commands have no arguments."""
NOT_ALWAYS = (Login, Append)
"""Commands that not every server supports in every form."""


def refuse(command: Command, abilities: Abilities) -> None:
    """Raise LocalProtocolError for a command that the server does not support now."""
    announced = abilities.capabilities
    match command:
        case Login() if b"LOGINDISABLED" in announced:
            raise LocalProtocolError("the server announced LOGINDISABLED")
        case Append(size=size) if size < 1:
            raise LocalProtocolError("an empty message cannot be appended")
        case Append(utf8=True) if not abilities.utf8:
            raise LocalProtocolError("UTF8=ACCEPT must be enabled first (RFC 6855, section 4)")
        case _:
            pass
