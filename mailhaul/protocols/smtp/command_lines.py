"""Command lines on the wire: written by the client, read by the server (RFC 5321, 4.1)."""

from __future__ import annotations

from collections.abc import Container

from ..errors import LocalProtocolError
from ..limits import Limits
from .commands import (
    Command,
    Data,
    Ehlo,
    Heard,
    Helo,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unrecognized,
)

_PLAIN: dict[bytes, type[StartTls | Data | Rset | Noop | Quit]] = {
    b"STARTTLS": StartTls,
    b"DATA": Data,
    b"RSET": Rset,
    b"NOOP": Noop,
    b"QUIT": Quit,
}
"""Commands without an argument that matters."""
_VERBS: dict[type[Command], bytes] = {command: verb for verb, command in _PLAIN.items()}

_UNSENDABLE = bytes([*range(0x20), 0x7F]) + b"<>"
"""What no address may contain: control characters, line ends among them, and brackets."""
_BODIES = {b"7BIT", b"8BITMIME"}


def verb_of(command: Command, *, lmtp: bool = False) -> str:
    """Return how people call a command."""
    match command:
        case Ehlo():
            return "LHLO" if lmtp else "EHLO"
        case _:
            return _VERBS.get(type(command), type(command).__name__.upper().encode()).decode()


# Writing


def encode_command(command: Command, extensions: Container[bytes], *, lmtp: bool) -> bytes:
    """Return a command's line without its line end, using only ``extensions``.

    Raises LocalProtocolError when the command cannot be said in these words.
    """
    match command:
        case Ehlo(name):
            return (b"LHLO " if lmtp else b"EHLO ") + _checked_name(name)
        case Helo(name):
            if lmtp:
                raise LocalProtocolError("LMTP has no HELO (RFC 2033, 4.1)")
            return b"HELO " + _checked_name(name)
        case Mail():
            return _mail_line(command, extensions)
        case Rcpt(recipient):
            if not recipient:
                raise LocalProtocolError("a recipient is empty")
            return b"RCPT TO:<" + _checked_address(recipient) + b">"
        case _:
            return _VERBS[type(command)]


def _mail_line(mail: Mail, extensions: Container[bytes]) -> bytes:
    line = b"MAIL FROM:<" + _checked_address(mail.sender) + b">"
    if mail.size is not None and mail.size < 0:
        raise LocalProtocolError("a size is negative")
    if mail.body is not None and mail.body not in _BODIES:
        raise LocalProtocolError("a body is either 7BIT or 8BITMIME (RFC 6152)")
    if mail.size is not None and b"SIZE" in extensions:
        line += b" SIZE=%d" % mail.size
    if mail.body is not None and b"8BITMIME" in extensions:
        line += b" BODY=" + mail.body
    if needs_utf8(mail):
        if b"SMTPUTF8" not in extensions:
            raise LocalProtocolError("the server takes no addresses beyond ASCII (RFC 6531)")
        line += b" SMTPUTF8"
    return line


def needs_utf8(mail: Mail) -> bool:
    """Whether this transaction is one of RFC 6531."""
    return mail.utf8 or not mail.sender.isascii()


def _checked_name(name: bytes) -> bytes:
    """Return a host name or address literal that is safe to send."""
    if not name or not name.isascii() or b" " in name or _contains_any(name, _UNSENDABLE):
        raise LocalProtocolError(f"{name!r} is no host name")
    return name


def _checked_address(address: bytes) -> bytes:
    """Return an address that cannot be taken for anything else than one address."""
    if _contains_any(address, _UNSENDABLE):
        raise LocalProtocolError(f"address {address!r} contains a control character or bracket")
    if not address.isascii():
        try:
            address.decode("utf-8")
        except UnicodeDecodeError:
            raise LocalProtocolError(f"address {address!r} is not UTF-8 (RFC 6531)") from None
    end = _end_of_words(address, b" ")
    if end is None or end < len(address):
        raise LocalProtocolError(f"address {address!r} has a space or a quote out of place")
    return address


def _contains_any(text: bytes, unwanted: bytes) -> bool:
    return len(text.translate(None, unwanted)) != len(text)


def _end_of_words(text: bytes, stop: bytes) -> int | None:
    """Return where the first byte of ``stop`` outside quotes is, or the length without one.

    None when a quote is left open.
    """
    if b'"' not in text:
        places = [place for byte in stop if (place := text.find(byte)) >= 0]
        return min(places, default=len(text))
    quoted = escaped = False
    for place in range(len(text)):
        byte = text[place : place + 1]
        if escaped:
            escaped = False
        elif quoted and byte == b"\\":
            escaped = True
        elif byte == b'"':
            quoted = not quoted
        elif not quoted and byte in stop:
            return place
    return None if quoted else len(text)


# Reading


class _Broken(Exception):
    """An argument breaks the grammar; carries the reply code and the problem."""

    def __init__(self, problem: str, code: int = 501) -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = code


def parse_command(
    line: bytes, extensions: Container[bytes], limits: Limits, *, lmtp: bool
) -> Heard:
    """Return what a command line says; never raises. ``line`` is without its CRLF."""
    word, _, argument = line.partition(b" ")
    verb = word.strip().upper()[:32]
    try:
        if _contains_any(line, b"\r\n\0"):
            # Only CRLF ends a line; a bare CR or LF inside one is a fault (RFC 5321, 2.3.8).
            raise _Broken("bare CR, LF or NUL in a command", 500)
        return _parse(verb, argument.strip(b" \t"), extensions, limits, lmtp)
    except _Broken as broken:
        return Malformed(verb, broken.problem, broken.code)


def _parse(
    verb: bytes, argument: bytes, extensions: Container[bytes], limits: Limits, lmtp: bool
) -> Heard:
    match verb:
        case b"LHLO" if lmtp:
            return Ehlo(_required(argument))
        case b"EHLO" if not lmtp:
            return Ehlo(_required(argument))
        case b"HELO" if not lmtp:
            return Helo(_required(argument))
        case b"MAIL":
            return _parse_mail(argument, extensions, limits)
        case b"RCPT":
            recipient, parameters = _parse_path(argument, b"TO:")
            if not recipient:
                raise _Broken("the recipient is empty")
            if parameters:
                raise _Broken("RCPT takes no such parameter", 555)
            return Rcpt(recipient)
        case _ if verb in _PLAIN:
            if argument and verb != b"NOOP":
                raise _Broken(f"{verb.decode()} takes no argument")
            return _PLAIN[verb]()
        case _:
            return Unrecognized(verb)


def _required(argument: bytes) -> bytes:
    if not argument or b" " in argument:
        raise _Broken("exactly one name is expected")
    return argument


def _parse_mail(argument: bytes, extensions: Container[bytes], limits: Limits) -> Mail:
    sender, parameters = _parse_path(argument, b"FROM:")
    size: int | None = None
    body: bytes | None = None
    utf8 = False
    for parameter in parameters:
        keyword, _, value = parameter.partition(b"=")
        match keyword.upper():
            case b"SIZE" if b"SIZE" in extensions:
                if not value.isdigit() or len(value) > limits.digits:
                    raise _Broken("SIZE is no number")
                size = int(value)
            case b"BODY" if b"8BITMIME" in extensions:
                body = value.upper()
                if body not in _BODIES:
                    raise _Broken("BODY is neither 7BIT nor 8BITMIME")
            case b"SMTPUTF8" if b"SMTPUTF8" in extensions:
                utf8 = True
            case _:
                raise _Broken("MAIL takes no such parameter", 555)
    if not sender.isascii() and not utf8:
        raise _Broken("the address needs SMTPUTF8", 553)
    return Mail(sender, size, body, utf8)


def _parse_path(argument: bytes, keyword: bytes) -> tuple[bytes, list[bytes]]:
    """Take ``KEYWORD:<address> parameters`` apart, dropping a source route (RFC 5321, F.2)."""
    if argument[: len(keyword)].upper() != keyword:
        raise _Broken(f"{keyword.decode()} is expected")
    # Many clients put a space behind the colon, against the grammar.
    path = argument[len(keyword) :].lstrip(b" ")
    end = _end_of_words(path, b">")
    if not path.startswith(b"<") or end is None or end == len(path):
        raise _Broken("an address in angle brackets is expected")
    address, rest = path[1:end], path[end + 1 :]
    if rest and not rest.startswith(b" "):
        raise _Broken("a space is expected behind the address")
    if _end_of_words(address, b" <") != len(address):
        raise _Broken("the address contains a space or a bracket")
    if address.startswith(b"@"):
        _, colon, address = address.partition(b":")
        if not colon:
            raise _Broken("the source route has no end")
    return address, rest.split()
