"""Parse the commands that an IMAP server receives (RFC 3501, section 6).

Sets, search keys, FETCH items and flags are kept as sent, except that literals in them become
quoted strings, so that each argument is one byte string.

This file is long because IMAP has 37 commands, each with its own short parser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ..sasl.exchange import Authenticate, decode_initial
from ..secret import Secret
from .arguments import Arguments, BadSyntax
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
    Resync,
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
from .values import Part

GROUPS = frozenset({b"SELECTED", b"SELECTED-DELAYED", b"INBOXES", b"PERSONAL", b"SUBSCRIBED"})
NAMED_GROUPS = frozenset({b"MAILBOXES", b"SUBTREE"})
"""The mailbox specifiers of NOTIFY, without and with names (RFC 5465, section 6)."""
MESSAGE_NEW = b"MESSAGENEW"
MESSAGE_PAIR = frozenset({MESSAGE_NEW, b"MESSAGEEXPUNGE"})
MESSAGE_EVENTS = MESSAGE_PAIR | {b"FLAGCHANGE", b"ANNOTATIONCHANGE"}

ITEM = re.compile(rb"[^ ()\[\"]+(?:\[[^\]]*\])?[^ ()\[\"]*")
"""One FETCH item; its section may contain spaces and lists."""
BASE64 = re.compile(rb"[A-Za-z0-9+/=]+")
OPTION = re.compile(rb"[^ ()\"]+")
"""A word or a number in the result options of SEARCH, or an event of NOTIFY."""
RETURN = re.compile(rb"RETURN (?=\()", re.IGNORECASE)
RESULT_OPTIONS = re.compile(rb"RETURN ", re.IGNORECASE)
UNCHANGED_SINCE = re.compile(rb"\(UNCHANGEDSINCE (\d{1,19})\) ", re.IGNORECASE)
OPERATION = re.compile(rb"[+-]?FLAGS(?:\.SILENT)?(?= )", re.IGNORECASE)
BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[(]|[\])]| ', re.DOTALL)
DATE_TIME = re.compile(
    rb"(?: \d|[0-3]\d)-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4}"
    rb" [0-2]\d:[0-5]\d:[0-6]\d [+-]\d{4}",
    re.IGNORECASE,
)
"""The date of APPEND, in the format of INTERNALDATE (section 9, date-time)."""


def read_command(verb: bytes, rest: Sequence[Part]) -> Command:
    """Return a command. ``verb`` is its name in upper case.

    ``rest`` is what follows the name and a space, including literals. Raises BadSyntax.
    """
    arguments = Arguments(rest)
    if verb in PLAIN:
        if not arguments.over:
            raise BadSyntax("this command takes no argument")
        return PLAIN[verb]()
    read = ARGUMENTS.get(verb)
    if read is None:
        raise BadSyntax("unknown command")
    command = read(arguments)
    arguments.end()
    return command


# Commands not on messages


def _login(arguments: Arguments) -> Command:
    user = arguments.astring("a user")
    arguments.space()
    return Login(user, Secret(arguments.astring("a password")))


def _authenticate(arguments: Arguments) -> Command:
    mechanism = arguments.word("a mechanism")
    if arguments.over:
        return Authenticate(mechanism)
    arguments.space()
    found = arguments.match(BASE64)
    try:
        return Authenticate(mechanism, Secret(decode_initial(found[0] if found else b"!")))
    except ValueError:
        raise BadSyntax("the initial response is not base64") from None


def _id(arguments: Arguments) -> Command:
    if _nil(arguments):
        return Id()

    def pair() -> tuple[bytes, bytes | None]:
        field = arguments.string("a field")
        arguments.space()
        return field, None if _nil(arguments) else arguments.string("its value")

    return Id(tuple(arguments.listed(pair, "fields", empty=True)))


def _nil(arguments: Arguments) -> bool:
    """Take NIL, if it is next."""
    return arguments.match(NIL) is not None


NIL = re.compile(rb"NIL(?=[ )]|\Z)", re.IGNORECASE)


def _enable(arguments: Arguments) -> Command:
    names = [arguments.word("a capability")]
    while not arguments.over:
        arguments.space()
        names.append(arguments.word("a capability"))
    return Enable(tuple(names))


def _select(arguments: Arguments, *, read_only: bool = False) -> Command:
    mailbox = arguments.astring("a mailbox")
    if arguments.over:
        return Select(mailbox, read_only)
    arguments.space()
    condstore, resync = False, None
    for found in arguments.listed(lambda: _select_option(arguments), "options"):
        condstore, resync = condstore or found is None, resync or found
    return Select(mailbox, read_only, condstore, resync)


def _select_option(arguments: Arguments) -> Resync | None:
    """Take QRESYNC with its arguments, or CONDSTORE, for which None is returned."""
    match arguments.word("CONDSTORE or QRESYNC"):
        case b"CONDSTORE":
            return None
        case b"QRESYNC":
            arguments.space()
            return _resync(arguments)
        case _:
            raise BadSyntax("CONDSTORE or QRESYNC is expected")


def _resync(arguments: Arguments) -> Resync:
    """Take the arguments of QRESYNC (RFC 7162, 3.2.5); the sequence match data is ignored."""
    arguments.expect(b"(", "a list of UIDVALIDITY and a mod-sequence")
    uid_validity = arguments.number("UIDVALIDITY")
    arguments.space()
    modseq, uids = arguments.number("a mod-sequence"), b""
    if arguments.skip(b" ") and not arguments.ahead(b"("):
        uids = arguments.sequence_set()
        arguments.skip(b" ")
    if arguments.skip(b"("):
        arguments.sequence_set()
        arguments.space()
        arguments.sequence_set()
        arguments.expect(b")", "the end of the list")
    arguments.expect(b")", "the end of the list")
    return Resync(uid_validity, modseq, uids)


def _examine(arguments: Arguments) -> Command:
    return _select(arguments, read_only=True)


def _create(arguments: Arguments) -> Command:
    mailbox = arguments.astring("a mailbox")
    if arguments.over:
        return CreateMailbox(mailbox)
    arguments.space()
    arguments.expect(b"(", "a list of parameters")
    if arguments.word("USE") != b"USE":
        raise BadSyntax("USE is expected")
    arguments.space()
    uses = arguments.listed(arguments.flag, "special uses", empty=True)
    arguments.expect(b")", "the end of the list")
    return CreateMailbox(mailbox, tuple(uses))


def _rename(arguments: Arguments) -> Command:
    mailbox = arguments.astring("a mailbox")
    arguments.space()
    return Rename(mailbox, arguments.astring("its new name"))


def _list(arguments: Arguments) -> Command:
    selecting: list[bytes] = []
    extended = arguments.ahead(b"(")
    if extended:
        selecting = arguments.listed(lambda: arguments.word("an option"), "options", empty=True)
        arguments.space()
    reference = arguments.astring("a reference")
    arguments.space()
    if arguments.ahead(b"("):
        extended = True
        patterns = arguments.listed(arguments.pattern, "patterns")
    else:
        patterns = [arguments.pattern()]
    extended = extended or not arguments.over
    returning, status = _return_options(arguments)
    # Of options and several patterns the command has itself what they are.
    shown = len(patterns) != 1 or bool(selecting or returning or status)
    return ListMailboxes(
        reference, tuple(patterns), tuple(selecting), returning, status, extended and not shown
    )


def _return_options(arguments: Arguments) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Take RETURN with its options, if it is next. Return the options and the STATUS items."""
    status: list[bytes] = []

    def option() -> bytes:
        word = arguments.word("an option")
        if word == b"STATUS":
            arguments.space()
            status.extend(_status_items(arguments))
        return word

    if arguments.over:
        return (), ()
    arguments.space()
    if not arguments.match(RETURN):
        raise BadSyntax("RETURN and a list of options are expected")
    words = arguments.listed(option, "options", empty=True)
    return tuple(word for word in words if word != b"STATUS"), tuple(status)


def _lsub(arguments: Arguments) -> Command:
    reference = arguments.astring("a reference")
    arguments.space()
    return ListSubscribed(reference, arguments.pattern())


def _status(arguments: Arguments) -> Command:
    mailbox = arguments.astring("a mailbox")
    arguments.space()
    return AskStatus(mailbox, tuple(_status_items(arguments)))


def _status_items(arguments: Arguments) -> list[bytes]:
    return arguments.listed(lambda: arguments.word("an item"), "items")


def _notify(arguments: Arguments) -> Command:
    match arguments.word("SET or NONE"):
        case b"NONE":
            return Notify()
        case b"SET":
            arguments.space()
        case _:
            raise BadSyntax("SET or NONE is expected")
    status = not arguments.ahead(b"(")
    if status:
        if arguments.word("STATUS") != b"STATUS":
            raise BadSyntax("STATUS or an event group is expected")
        arguments.space()
    groups = [_event_group(arguments)]
    while not arguments.over:
        arguments.space()
        groups.append(_event_group(arguments))
    if sum(group.which.startswith(b"SELECTED") for group in groups) > 1:
        raise BadSyntax("only one group may be about the selected mailbox (RFC 5465, 6.1)")
    return Notify(tuple(groups), status)


def _event_group(arguments: Arguments) -> EventGroup:
    arguments.expect(b"(", "mailboxes and events")
    which = arguments.word("mailboxes")
    arguments.space()
    names: list[bytes] = []
    if which in NAMED_GROUPS:
        names = _mailboxes(arguments)
        arguments.space()
    elif which not in GROUPS:
        raise BadSyntax("an event group consists of mailboxes and events")
    events, fetch = _events(arguments)
    arguments.expect(b")", "the end of the group")
    known = {event.upper() for event in events}
    if known & MESSAGE_EVENTS and not known >= MESSAGE_PAIR:
        raise BadSyntax("MessageNew and MessageExpunge require each other (RFC 5465, 5)")
    return EventGroup(which, tuple(events), tuple(names), tuple(fetch))


def _mailboxes(arguments: Arguments) -> list[bytes]:
    """Take one mailbox or a list of mailboxes."""
    if arguments.ahead(b"("):
        return arguments.listed(lambda: arguments.astring("a mailbox"), "mailboxes")
    return [arguments.astring("a mailbox")]


def _events(arguments: Arguments) -> tuple[list[bytes], list[bytes]]:
    """Take events, and the FETCH items after MessageNew."""
    items: list[bytes] = []

    def event() -> bytes:
        found = arguments.match(OPTION)
        if not found:
            raise BadSyntax("an event is expected")
        if found[0].upper() == MESSAGE_NEW and arguments.skip(b" ("):
            items.extend(_items(arguments))
        return found[0]

    if not arguments.ahead(b"("):
        if arguments.word("events") != b"NONE":
            raise BadSyntax("a list of events is expected")
        return [], []
    return arguments.listed(event, "events"), items


def _items(arguments: Arguments) -> list[bytes]:
    """Take FETCH items up to the end of their list."""
    found: list[bytes] = []
    while True:
        item = arguments.match(ITEM)
        if not item:
            raise BadSyntax("a list of items is expected")
        found.append(item[0])
        if arguments.skip(b")"):
            return found
        arguments.space()


def _compress(arguments: Arguments) -> Command:
    if arguments.word("DEFLATE") != b"DEFLATE":
        raise BadSyntax("only DEFLATE is supported")
    return Compress()


def _named(make: Callable[[bytes], Command]) -> Callable[[Arguments], Command]:
    """Return a parser for a command whose only argument is a mailbox."""
    return lambda arguments: make(arguments.astring("a mailbox"))


# Commands on messages


def _search(arguments: Arguments, *, uid: bool = False) -> Command:
    make = UidSearch if uid else Search
    returning: tuple[bytes, ...] | None = None
    if arguments.match(RESULT_OPTIONS):
        options = arguments.listed(lambda: _option(arguments), "options", empty=True)
        returning = tuple(options)
        arguments.space()
    if arguments.over:
        raise BadSyntax("a search key is expected")
    return make(arguments.rest(), returning)


def _option(arguments: Arguments) -> bytes:
    found = arguments.match(OPTION)
    if not found:
        raise BadSyntax("an option is expected")
    return found[0].upper()


def _fetch(arguments: Arguments, *, uid: bool = False) -> Command:
    numbers = _set_before(arguments)
    items, modifiers = split_items(arguments.rest())
    return (UidFetch if uid else Fetch)(numbers, items, modifiers)


def _store(arguments: Arguments, *, uid: bool = False) -> Command:
    numbers = _set_before(arguments)
    unchanged = arguments.match(UNCHANGED_SINCE)
    operation = arguments.match(OPERATION)
    if not operation:
        raise BadSyntax("FLAGS, +FLAGS or -FLAGS is expected")
    arguments.space()
    # The flags are kept as sent; read_flags only checks them.
    flags = arguments.rest()
    read_flags(flags)
    since = int(unchanged[1]) if unchanged else None
    return (UidStore if uid else Store)(numbers, operation[0], flags, since)


def read_flags(line: bytes) -> tuple[bytes, ...]:
    """Return the flags of STORE: a list, or flags separated by spaces. Raises BadSyntax."""
    arguments = Arguments([line])
    if arguments.ahead(b"("):
        flags = arguments.listed(arguments.flag, "flags", empty=True)
    else:
        flags = [arguments.flag()]
        while not arguments.over:
            arguments.space()
            flags.append(arguments.flag())
    arguments.end()
    return tuple(flags)


def _copy(
    make: Callable[[bytes, bytes], Command], uid_form: Callable[[bytes, bytes], Command]
) -> Callable[..., Command]:
    """Return a parser for COPY or MOVE."""

    def read(arguments: Arguments, *, uid: bool = False) -> Command:
        numbers = _set_before(arguments)
        return (uid_form if uid else make)(numbers, arguments.astring("a mailbox"))

    return read


def _set_before(arguments: Arguments) -> bytes:
    """Take a set of numbers and the space after it."""
    numbers = arguments.sequence_set()
    arguments.space()
    return numbers


def _uid(arguments: Arguments) -> Command:
    verb = arguments.word("a command")
    arguments.space()
    if verb == b"EXPUNGE":
        return UidExpunge(arguments.sequence_set())
    if verb not in WITH_UIDS:
        raise BadSyntax("this command has no UID form")
    return WITH_UIDS[verb](arguments, uid=True)


def split_items(line: bytes) -> tuple[bytes, bytes]:
    """Split FETCH items from the modifiers after them; return these without parentheses."""
    depth = 0
    for found in BRACKETS.finditer(line):
        if found[0] in b"([":
            depth += 1
        elif found[0] in b")]":
            depth -= 1
        elif found[0] == b" " and depth == 0:
            items, modifiers = line[: found.start()], line[found.end() :]
            if not (items and modifiers.startswith(b"(") and modifiers.endswith(b")")):
                raise BadSyntax("modifiers must be in parentheses")
            return items, modifiers[1:-1]
    if not line:
        raise BadSyntax("items are expected")
    return line, b""


PLAIN: dict[bytes, Callable[[], Command]] = {
    b"CAPABILITY": Capability,
    b"NOOP": Noop,
    b"CHECK": Noop,
    b"LOGOUT": Logout,
    b"STARTTLS": StartTls,
    b"NAMESPACE": Namespace,
    b"IDLE": Idle,
    b"EXPUNGE": Expunge,
    b"CLOSE": CloseMailbox,
    b"UNSELECT": Unselect,
}
"""Commands without arguments."""
WITH_UIDS: dict[bytes, Callable[..., Command]] = {
    b"SEARCH": _search,
    b"FETCH": _fetch,
    b"STORE": _store,
    b"COPY": _copy(Copy, UidCopy),
    b"MOVE": _copy(Move, UidMove),
}
"""Commands on messages that also have a UID form."""
ARGUMENTS: dict[bytes, Callable[[Arguments], Command]] = {
    b"LOGIN": _login,
    b"AUTHENTICATE": _authenticate,
    b"ID": _id,
    b"ENABLE": _enable,
    b"COMPRESS": _compress,
    b"SELECT": _select,
    b"EXAMINE": _examine,
    b"CREATE": _create,
    b"DELETE": _named(DeleteMailbox),
    b"RENAME": _rename,
    b"SUBSCRIBE": _named(Subscribe),
    b"UNSUBSCRIBE": _named(Unsubscribe),
    b"LIST": _list,
    b"LSUB": _lsub,
    b"STATUS": _status,
    b"GETQUOTAROOT": _named(GetQuotaRoot),
    b"NOTIFY": _notify,
    b"UID": _uid,
    **WITH_UIDS,
}
"""Commands with arguments."""


# APPEND, whose message follows its arguments


def read_append(rest: Sequence[Part], size: int, *, binary: bool) -> Append | None:
    """Return an APPEND command; its message of ``size`` octets follows.

    ``rest`` is what follows the name, up to the literal of the message. Return None if that literal
    is the name of the mailbox. Raises BadSyntax.
    """
    arguments = Arguments(rest)
    if arguments.over:
        return None
    mailbox = arguments.astring("a mailbox")
    arguments.space()
    flags: list[bytes] = []
    if arguments.ahead(b"("):
        flags = arguments.listed(arguments.flag, "flags", empty=True)
        arguments.space()
    date = _date_time(arguments) if arguments.ahead(b'"') else None
    # A message with UTF-8 in its header is in parentheses (RFC 6855, section 4).
    utf8 = arguments.match(UTF8) is not None
    arguments.end()
    return Append(mailbox, size, tuple(flags), date, utf8, binary and not utf8)


UTF8 = re.compile(rb"UTF8 \(", re.IGNORECASE)


def _date_time(arguments: Arguments) -> bytes:
    date = arguments.string("a date")
    arguments.space()
    if not DATE_TIME.fullmatch(date):
        raise BadSyntax('a date such as "17-Jul-1996 02:44:25 -0700" is expected')
    return date
