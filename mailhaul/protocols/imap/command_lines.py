"""From a client's command, as read, to a command object: the server's side of the grammar.

Sets, search keys, FETCH items and flags stay as they were sent; a literal among them becomes a
quoted string, so that each is one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import ProtocolError
from ..sasl.exchange import Authenticate, decode_initial
from ..secret import Secret
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
from .strings import quoted
from .uid_sets import read_set
from .values import Atom, Part, Streamed, Text, Value, parse_values

NESTING = 3
"""Depth of parentheses in an argument: RETURN (STATUS (...)) needs two."""
GROUPS = frozenset({b"SELECTED", b"SELECTED-DELAYED", b"INBOXES", b"PERSONAL", b"SUBSCRIBED"})
NAMED_GROUPS = frozenset({b"MAILBOXES", b"SUBTREE"})
"""What NOTIFY may be about: without and with names (RFC 5465, section 6)."""
MESSAGE_NEW = b"MESSAGENEW"
MESSAGE_PAIR = frozenset({MESSAGE_NEW, b"MESSAGEEXPUNGE"})
MESSAGE_EVENTS = MESSAGE_PAIR | {b"FLAGCHANGE", b"ANNOTATIONCHANGE"}
DIGITS = 19
"""Digits of the largest number: change numbers have 63 bits (RFC 7162, section 7)."""


class BadSyntax(ProtocolError):
    """A command that cannot be read; its text goes behind BAD."""


class Arguments:
    """The values behind a verb, taken one by one. Everything here raises BadSyntax."""

    def __init__(self, rest: Sequence[Part]) -> None:
        try:
            self._values = parse_values(rest, NESTING)
        except ProtocolError:
            raise BadSyntax("a string or a list that does not end") from None
        self._place = 0

    @property
    def next(self) -> Value:
        """The next value, which stays; None at the end, too."""
        return None if self.over else self._values[self._place]

    @property
    def over(self) -> bool:
        """Whether all were taken."""
        return self._place == len(self._values)

    def string(self, what: str) -> bytes:
        """Take an atom, or a quoted or literal string."""
        value = self.next
        if not isinstance(value, Atom | Text):
            raise BadSyntax(f"{what} belongs here")
        self._place += 1
        return bytes(value)

    def values(self, what: str) -> list[Value]:
        """Take a list."""
        value = self.next
        if not isinstance(value, list):
            raise BadSyntax(f"a list of {what} belongs here")
        self._place += 1
        return value

    def words(self, what: str) -> tuple[bytes, ...]:
        """Take a list of atoms and strings."""
        return words_of(self.values(what), what)

    def rest(self) -> tuple[bytes, ...]:
        """Take all words that are left; there has to be one."""
        found = [self.string("a word")]
        while not self.over:
            found.append(self.string("a word"))
        return tuple(found)

    def skip(self, word: bytes) -> bool:
        """Take a certain atom if it is next."""
        value = self.next
        if isinstance(value, Atom) and value.upper() == word:
            self._place += 1
            return True
        return False

    def nil(self) -> bool:
        """Take NIL if that is next."""
        found = not self.over and self.next is None
        self._place += found
        return found

    def end(self) -> None:
        """Insist that nothing is left."""
        if not self.over:
            raise BadSyntax("something stands behind the last argument")


def read_command(verb: bytes, rest: Sequence[Part]) -> Command:
    """Return the command that a verb, in upper case, and its arguments make.

    ``rest`` is what stands behind the verb, literals included. Raises BadSyntax.
    """
    if verb in PLAIN:
        if any(rest):
            raise BadSyntax("no argument belongs here")
        return PLAIN[verb]()
    if verb in ARGUMENTS:
        arguments = Arguments(rest)
        command = ARGUMENTS[verb](arguments)
        arguments.end()
        return command
    return read_message_command(verb, line_of(rest))


# Commands by themselves


def _login(arguments: Arguments) -> Command:
    return Login(arguments.string("a user"), Secret(arguments.string("a password")))


def _authenticate(arguments: Arguments) -> Command:
    mechanism = arguments.string("a mechanism").upper()
    if arguments.over:
        return Authenticate(mechanism)
    try:
        return Authenticate(mechanism, Secret(decode_initial(arguments.string("a response"))))
    except ValueError:
        raise BadSyntax("an initial response that is not base64") from None


def _id(arguments: Arguments) -> Command:
    if arguments.nil():
        return Id()
    values = arguments.values("fields")
    if len(values) % 2:
        raise BadSyntax("a field without its value")
    pairs: list[tuple[bytes, bytes | None]] = []
    for field, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(field, Atom | Text) or not isinstance(value, Atom | Text | None):
            raise BadSyntax("fields and values are strings")
        pairs.append((bytes(field), None if value is None else bytes(value)))
    return Id(tuple(pairs))


def _select(arguments: Arguments, *, read_only: bool = False) -> Command:
    mailbox = arguments.string("a mailbox")
    options = [] if arguments.over else arguments.values("options")
    match options:
        case []:
            return Select(mailbox, read_only)
        case [Atom() as word] if word.upper() == b"CONDSTORE":
            return Select(mailbox, read_only, condstore=True)
        case [Atom() as word, list() as facts] if word.upper() == b"QRESYNC":
            return Select(mailbox, read_only, resync=_resync(facts))
        case _:
            raise BadSyntax("CONDSTORE and QRESYNC are the options here")


def _examine(arguments: Arguments) -> Command:
    return _select(arguments, read_only=True)


def _resync(facts: list[Value]) -> Resync:
    """Return what a client remembers; the sequence match data help only with its UIDs."""
    match facts:
        case [uid_validity, modseq, *known]:
            uids = known[0] if known and isinstance(known[0], Atom) else b""
            uids = sequence_set(bytes(uids)) if uids else b""
            return Resync(_number(uid_validity), _number(modseq), uids)
        case _:
            raise BadSyntax("QRESYNC takes UIDVALIDITY and a change number")


def _create(arguments: Arguments) -> Command:
    mailbox = arguments.string("a mailbox")
    if arguments.over:
        return CreateMailbox(mailbox)
    match arguments.values("parameters"):
        case [Atom() as word, list() as uses] if word.upper() == b"USE":
            return CreateMailbox(mailbox, tuple(bytes(u) for u in uses if isinstance(u, Atom)))
        case _:
            raise BadSyntax("USE is the parameter here")


def _rename(arguments: Arguments) -> Command:
    return Rename(arguments.string("a mailbox"), arguments.string("its new name"))


def _list(arguments: Arguments) -> Command:
    selecting = arguments.words("options") if isinstance(arguments.next, list) else ()
    reference = arguments.string("a reference")
    if isinstance(arguments.next, list):
        patterns = arguments.words("patterns")
    else:
        patterns = (arguments.string("a pattern"),)
    if not arguments.skip(b"RETURN"):
        return ListMailboxes(reference, patterns, upper(selecting))
    returning: list[bytes] = []
    status: tuple[bytes, ...] = ()
    for value in arguments.values("options"):
        match value:
            case Atom():
                returning.append(value.upper())
            case list() if returning[-1:] == [b"STATUS"]:
                returning.pop()
                status = tuple(bytes(item).upper() for item in value if isinstance(item, Atom))
            case _:
                raise BadSyntax("options to return are words")
    return ListMailboxes(reference, patterns, upper(selecting), tuple(returning), status)


def _lsub(arguments: Arguments) -> Command:
    return ListSubscribed(arguments.string("a reference"), arguments.string("a pattern"))


def _status(arguments: Arguments) -> Command:
    return AskStatus(arguments.string("a mailbox"), upper(arguments.words("items")))


def _notify(arguments: Arguments) -> Command:
    if arguments.skip(b"NONE"):
        return Notify()
    if not arguments.skip(b"SET"):
        raise BadSyntax("SET or NONE belongs here")
    status = arguments.skip(b"STATUS")
    groups = [_event_group(arguments.values("mailboxes and events"))]
    while not arguments.over:
        groups.append(_event_group(arguments.values("mailboxes and events")))
    if sum(group.which.startswith(b"SELECTED") for group in groups) > 1:
        raise BadSyntax("of the open mailbox there is one group (RFC 5465, 6.1)")
    return Notify(tuple(groups), status)


def _event_group(values: list[Value]) -> EventGroup:
    match values:
        case [Atom() as which, wanted] if which.upper() in GROUPS:
            names: tuple[bytes, ...] = ()
        case [Atom() as which, Atom() | Text() as name, wanted] if which.upper() in NAMED_GROUPS:
            names = (bytes(name),)
        case [Atom() as which, list() as some, wanted] if which.upper() in NAMED_GROUPS and some:
            names = words_of(some, "mailboxes")
        case _:
            raise BadSyntax("an event group is made of mailboxes and events")
    events, fetch = _events(wanted)
    known = set(upper(events))
    if known & MESSAGE_EVENTS and not known >= MESSAGE_PAIR:
        raise BadSyntax("MessageNew and MessageExpunge go together (RFC 5465, 5)")
    return EventGroup(which.upper(), events, names, fetch)


def _events(wanted: Value) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return events, and the items that stand behind MessageNew."""
    match wanted:
        case Atom() if wanted.upper() == b"NONE":
            return (), ()
        case [Atom() as first, list() as items, *more] if first.upper() == MESSAGE_NEW:
            return words_of([first, *more], "events"), words_of(items, "items")
        case list() if wanted:
            return words_of(wanted, "events"), ()
        case _:
            raise BadSyntax("a list of events belongs here")


def _compress(arguments: Arguments) -> Command:
    if arguments.string("DEFLATE").upper() != b"DEFLATE":
        raise BadSyntax("DEFLATE is the only way to compress")
    return Compress()


def _named(make: Callable[[bytes], Command]) -> Callable[[Arguments], Command]:
    """Return what reads a command whose only argument is a mailbox."""
    return lambda arguments: make(arguments.string("a mailbox"))


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
ARGUMENTS: dict[bytes, Callable[[Arguments], Command]] = {
    b"LOGIN": _login,
    b"AUTHENTICATE": _authenticate,
    b"ID": _id,
    b"ENABLE": lambda arguments: Enable(upper(arguments.rest())),
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
    b"NOTIFY": _notify,
}
"""Commands whose arguments are values."""


BEFORE_UTF8 = b" UTF8 ("
"""What stands before a message with UTF-8 in its header (RFC 6855, section 4)."""


def read_append(rest: Sequence[Part], size: int, *, binary: bool) -> Append | None:
    """Return the APPEND whose message of so many octets is about to come.

    ``rest`` is what stands behind the verb, up to the message's literal. None where that literal
    is the name of the mailbox. Raises BadSyntax.
    """
    *before, last = rest
    utf8 = isinstance(last, bytes) and last.upper().endswith(BEFORE_UTF8)
    if utf8 and isinstance(last, bytes):
        last = last[: -len(BEFORE_UTF8)]
    arguments = Arguments([*before, last])
    if arguments.over:
        return None
    mailbox = arguments.string("a mailbox")
    flags = arguments.words("flags") if isinstance(arguments.next, list) else ()
    date = arguments.string("a date") if isinstance(arguments.next, Text) else None
    arguments.end()
    return Append(mailbox, size, flags, date, utf8, binary and not utf8)


# Commands on messages


def read_message_command(verb: bytes, line: bytes, *, uid: bool = False) -> Command:
    """Return a command on messages, or in its UID form. Raises BadSyntax."""
    first, _, behind = line.partition(b" ")
    match verb:
        case b"SEARCH" if line:
            return _search(line, uid=uid)
        case b"FETCH" if behind:
            items, modifiers = split_items(behind)
            fetch = UidFetch if uid else Fetch
            return fetch(sequence_set(first), items, modifiers)
        case b"STORE" if behind:
            return _store(sequence_set(first), behind, uid=uid)
        case b"COPY" | b"MOVE" if behind:
            arguments = Arguments([behind])
            mailbox = arguments.string("a mailbox")
            arguments.end()
            return COPIES[verb, uid](sequence_set(first), mailbox)
        case b"EXPUNGE" if uid:
            return UidExpunge(sequence_set(line))
        case b"UID" if behind and not uid:
            return read_message_command(first.upper(), behind, uid=True)
        case _ if uid:
            raise BadSyntax("this command has no UID form, or an argument is missing")
        case _:
            raise BadSyntax("unknown command or missing argument")


COPIES: dict[tuple[bytes, bool], Callable[[bytes, bytes], Command]] = {
    (b"COPY", False): Copy,
    (b"COPY", True): UidCopy,
    (b"MOVE", False): Move,
    (b"MOVE", True): UidMove,
}


def _search(line: bytes, *, uid: bool) -> Command:
    make = UidSearch if uid else Search
    if not line.upper().startswith(b"RETURN "):
        return make(line)
    options, criteria = split_items(line[len(b"RETURN ") :], behind_is_list=False)
    if not (options.startswith(b"(") and options.endswith(b")")) or not criteria:
        raise BadSyntax("RETURN takes a list of options, and keys stand behind it")
    return make(criteria, tuple(options[1:-1].upper().split()))


def _store(numbers: bytes, line: bytes, *, uid: bool) -> Command:
    unchanged_since: int | None = None
    if line.upper().startswith(b"(UNCHANGEDSINCE "):
        modifier, _, line = line.partition(b") ")
        unchanged_since = _number(Atom(modifier.split(b" ")[1]))
    operation, _, flags = line.partition(b" ")
    if not flags:
        raise BadSyntax("STORE takes an operation and flags")
    return (UidStore if uid else Store)(numbers, operation, flags, unchanged_since)


def split_items(line: bytes, *, behind_is_list: bool = True) -> tuple[bytes, bytes]:
    """Split FETCH items from what stands behind them, which loses its parentheses."""
    depth = 0
    for place, byte in enumerate(line):
        if byte in b"([":
            depth += 1
        elif byte in b")]":
            depth -= 1
        elif byte == 0x20 and depth == 0:
            items, behind = line[:place], line[place + 1 :]
            break
    else:
        items, behind = line, b""
    if not behind or not behind_is_list:
        return items, behind
    if not (behind.startswith(b"(") and behind.endswith(b")")):
        raise BadSyntax("modifiers stand in parentheses")
    return items, behind[1:-1]


# Pieces


def words_of(values: list[Value], what: str) -> tuple[bytes, ...]:
    """Return what is in a list of atoms and strings."""
    found = tuple(bytes(value) for value in values if isinstance(value, Atom | Text))
    if len(found) != len(values):
        raise BadSyntax(f"a list of {what} belongs here")
    return found


def sequence_set(text: bytes) -> bytes:
    """Return a set of numbers as it is, if it is one."""
    try:
        read_set(text, 1)
    except ValueError:
        raise BadSyntax("not a set of numbers") from None
    return text


def upper(words: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return words in upper case."""
    return tuple(word.upper() for word in words)


def _number(value: Value) -> int:
    if not (isinstance(value, Atom) and value.isdigit() and len(value) <= DIGITS):
        raise BadSyntax("a number belongs here")
    return int(value)


def line_of(rest: Sequence[Part]) -> bytes:
    """Return arguments in one piece."""
    return b"".join(
        quoted(part) if isinstance(part, Text) else part
        for part in rest
        if not isinstance(part, Streamed)
    )
