"""Convert untagged responses to events (RFC 3501, section 7, and the RFCs named in events.py).

Data that a command requested is parsed strictly; an unknown response becomes Unknown. Status
responses, CAPABILITY and BYE change the state of the client, so client.py processes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..errors import RemoteProtocolError
from ..limits import Limits
from .events import (
    Enabled,
    Event,
    Exists,
    Expunged,
    Flags,
    Found,
    FoundInShort,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    Quota,
    Recent,
    Unknown,
    Vanished,
)
from .fetch_items import fetched
from .responses import Response
from .values import Atom, Text, Value, is_nil, number

Reader = Callable[[Sequence[Value], int], Event]
NUMBERS = b"0123456789 "
PART = 64 * 1024
"""Octets of a search result per event, so that a long result is never held as Python numbers."""


def events_of(response: Response, limits: Limits) -> Iterable[Event]:
    """Return the events of an untagged response. Those of a search are generated lazily.

    Raises RemoteProtocolError if it is malformed, perhaps only during the iteration.
    """
    _, first, *rest = [*response.line.split(None, 2), b"", b""]
    text = rest[0]
    if first.isdigit():
        return _numbered(response, first, text, limits)
    name = first.upper()
    if name == b"SEARCH":
        return _search(text, limits.digits)
    if name in WITH_VALUES:
        return [WITH_VALUES[name]((response.values or [])[1:], limits.digits)]
    if name in WITH_WORDS:
        return [WITH_WORDS[name](text, limits.digits)]
    return [Unknown(name)]


def _numbered(response: Response, first: bytes, text: bytes, limits: Limits) -> Sequence[Event]:
    kind = text.partition(b" ")[0].upper()
    if kind == b"FETCH":
        pieces, event = fetched(response.values or [], limits)
        return [*pieces, event]
    (count,) = numbers(first, limits.digits)
    match kind:
        case b"EXISTS":
            return [Exists(count)]
        case b"RECENT":
            return [Recent(count)]
        # GNU imap4d 3.15 sends EXPUNGED.
        case b"EXPUNGE" | b"EXPUNGED":
            return [Expunged(count)]
        case _:
            return [Unknown(kind)]


def numbers(text: bytes, digits: int) -> tuple[int, ...]:
    """Return the numbers in a line; other words are ignored. Raises RemoteProtocolError."""
    found = text.split()
    if text.translate(None, NUMBERS):
        found = [word for word in found if word.isdigit()]
    if max(map(len, found), default=0) > digits:
        raise RemoteProtocolError(f"number has more than {digits} digits", line=text)
    return tuple(map(int, found))


# Responses of plain words


def _flags(text: bytes, digits: int) -> Event:
    return Flags(tuple(text.strip(b" ()").split()))


def _search(text: bytes, digits: int) -> Iterator[Event]:
    end = text.find(b"(")
    changed = numbers(text[end + 1 :].rstrip(b")"), digits) if end >= 0 else ()
    start, end = 0, end if end >= 0 else len(text)
    while end - start > PART and (stop := text.find(b" ", start + PART, end)) >= 0:
        yield Found(numbers(text[start:stop], digits))
        start = stop
    yield Found(numbers(text[start:end], digits), changed[0] if changed else None)


def _enabled(text: bytes, digits: int) -> Event:
    return Enabled(frozenset(text.upper().split()))


def _vanished(text: bytes, digits: int) -> Event:
    first, _, rest = text.partition(b" ")
    earlier = first.upper() == b"(EARLIER)"
    return Vanished(rest.strip() if earlier else text, earlier)


WITH_WORDS: dict[bytes, Callable[[bytes, int], Event]] = {
    b"FLAGS": _flags,
    b"ENABLED": _enabled,
    b"VANISHED": _vanished,
}


# Responses of values; ``values`` are those after the ``*``, beginning with the name


def _mailbox_listed(values: Sequence[Value], digits: int) -> Event:
    match values:
        case [
            Atom() as name,
            list() as attributes,
            delimiter,
            (Atom() | Text()) as mailbox,
            *more,
        ]:
            return Listed(
                bytes(mailbox),
                text_or_none(delimiter),
                words(attributes),
                name.upper() == b"LSUB",
                _extended(more),
            )
        case _:
            raise RemoteProtocolError("malformed LIST response")


def _extended(more: Sequence[Value]) -> tuple[tuple[bytes, Value], ...]:
    """Return the pairs after a mailbox name (RFC 5258, section 6)."""
    items = more[0] if more and isinstance(more[0], list) else []
    names = [bytes(name).upper() if isinstance(name, bytes) else b"" for name in items[::2]]
    return tuple(zip(names, items[1::2], strict=False))


def _status(values: Sequence[Value], digits: int) -> Event:
    match values:
        case [_, Atom() | Text() as mailbox, list() as items]:
            named = zip(items[::2], items[1::2], strict=False)
            known = [(_name(name), _status_value(value, digits)) for name, value in named]
            return MailboxStatus(
                bytes(mailbox), tuple((name, value) for name, value in known if value is not None)
            )
        case _:
            raise RemoteProtocolError("malformed STATUS response")


def _status_value(value: Value, digits: int) -> int | bytes | None:
    """Return a number, or the id in a list (RFC 8474, 4.3), or None for other values."""
    match value:
        case [Atom() | Text() as inside]:
            return bytes(inside)
        case _:
            return number(value, digits)


def _quota(values: Sequence[Value], digits: int) -> Event:
    """Return the event of QUOTA. A poll does not depend on it, so a malformed one is no error."""
    match values:
        case [_, Atom() | Text() as root, list() as items]:
            found: list[tuple[bytes, int, int]] = []
            for name, used, most in zip(items[::3], items[1::3], items[2::3], strict=False):
                usage, limit = number(used, digits), number(most, digits)
                if usage is not None and limit is not None:
                    found.append((_name(name), usage, limit))
            return Quota(bytes(root), tuple(found))
        case _:
            return Unknown(b"QUOTA")


def _namespaces(values: Sequence[Value], digits: int) -> Event:
    match values:
        case [_, personal, other_users, shared, *_]:
            return Namespaces(*(_entries(kind) for kind in (personal, other_users, shared)))
        case _:
            raise RemoteProtocolError("malformed NAMESPACE response")


def _entries(value: Value) -> tuple[NamespaceEntry, ...]:
    entries: list[NamespaceEntry] = []
    for entry in value if isinstance(value, list) else []:
        match entry:
            case [Atom() | Text() as prefix, delimiter, *_]:
                entries.append(NamespaceEntry(text_or_none(prefix) or b"", text_or_none(delimiter)))
            case _:
                raise RemoteProtocolError("malformed NAMESPACE response")
    return tuple(entries)


def _identified(values: Sequence[Value], digits: int) -> Event:
    match values:
        case [_, Atom() as nothing] if is_nil(nothing):
            return Identified()
        case [_, list() as fields]:
            pairs = zip(fields[::2], fields[1::2], strict=False)
            return Identified(tuple((_name(n), text_or_none(v)) for n, v in pairs))
        case _:
            raise RemoteProtocolError("malformed ID response")


def _found_in_short(values: Sequence[Value], digits: int) -> Event:
    tag, uid, rest = None, False, list(values[1:])
    if rest and isinstance(rest[0], list):
        tag, rest = text_or_none(rest[0][-1]) if rest[0] else None, rest[1:]
    if rest and _name(rest[0]) == b"UID":
        uid, rest = True, rest[1:]
    # Unknown names, from later RFCs, are ignored together with their values.
    known = {_name(name): value for name, value in zip(rest[::2], rest[1::2], strict=False)}
    return FoundInShort(
        tag,
        uid,
        number(known.get(b"MIN"), digits),
        number(known.get(b"MAX"), digits),
        number(known.get(b"COUNT"), digits),
        text_or_none(known.get(b"ALL")),
        _partial(known.get(b"PARTIAL")),
        number(known.get(b"MODSEQ"), digits),
    )


def _partial(value: Value) -> tuple[bytes, bytes | None] | None:
    match value:
        case [Atom() as wanted, found]:
            return bytes(wanted), text_or_none(found)
        case _:
            return None


WITH_VALUES: dict[bytes, Reader] = {
    b"LIST": _mailbox_listed,
    b"LSUB": _mailbox_listed,
    b"STATUS": _status,
    b"NAMESPACE": _namespaces,
    b"ID": _identified,
    b"ESEARCH": _found_in_short,
    b"QUOTA": _quota,
}


def words(values: Sequence[Value]) -> tuple[bytes, ...]:
    """Return the words of a list; other values in it are ignored."""
    return tuple(bytes(value) for value in values if isinstance(value, Atom | Text))


def text_or_none(value: Value) -> bytes | None:
    """Return a string or an atom; None for NIL or a list."""
    return bytes(value) if isinstance(value, Atom | Text) and not is_nil(value) else None


def _name(value: Value) -> bytes:
    return bytes(value).upper() if isinstance(value, Atom | Text) else b""
