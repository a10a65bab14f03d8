"""Write command lines for a client, and parse them for a server (RFC 5321, 4.1)."""

from __future__ import annotations

import re
from collections.abc import Container

from ..errors import LocalProtocolError
from ..limits import Limits
from ..sasl.exchange import Authenticate, decode_initial, encode_initial
from ..secret import Secret
from .commands import (
    Bdat,
    Command,
    Data,
    Ehlo,
    Etrn,
    Expn,
    Heard,
    Helo,
    Help,
    Mail,
    Malformed,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Unrecognized,
    Vrfy,
)
from .xtext import decode_xtext, encode_xtext

MAX_LINE = 512
"""Maximum length of a command line in octets, with its CRLF (RFC 5321, 4.5.3.1.4)."""

_PLAIN: dict[bytes, type[StartTls | Data | Rset | Noop | Quit]] = {
    b"STARTTLS": StartTls,
    b"DATA": Data,
    b"RSET": Rset,
    b"NOOP": Noop,
    b"QUIT": Quit,
}
"""Commands without arguments; that of NOOP is ignored."""
_VERBS: dict[type, bytes] = {command: verb for verb, command in _PLAIN.items()}

_UNSENDABLE = bytes([*range(0x20), 0x7F]) + b"<>"
"""Octets that an address must not contain: control characters and angle brackets."""
_PLAIN_ADDRESS = re.compile(rb"[!#-;=?-\[\]-~]*+")
"""Any visible ASCII without brackets, quotes and backslashes: a short cut for usual addresses."""
_BODIES = {b"7BIT", b"8BITMIME", b"BINARYMIME"}
_OCCASIONS = {b"NEVER", b"SUCCESS", b"FAILURE", b"DELAY"}
_NAMES: dict[type, str] = {Authenticate: "AUTH"}
"""Commands whose keyword differs from the name of their class."""


def verb_of(command: Heard, *, lmtp: bool = False) -> str:
    """Return the keyword of a command, such as ``MAIL``."""
    match command:
        case Ehlo():
            return "LHLO" if lmtp else "EHLO"
        case _:
            name = _NAMES.get(type(command), type(command).__name__.upper())
            return _VERBS.get(type(command), name.encode("ascii")).decode("ascii")


# Writing


def encode_command(command: Command, extensions: Container[bytes], *, lmtp: bool) -> bytes:
    """Return the command line without its CRLF, using only the announced ``extensions``.

    Raises LocalProtocolError if an argument is invalid or a required extension is missing.
    """
    match command:
        case Mail():
            return _mail_line(command, extensions)
        case Rcpt():
            return _rcpt_line(command, extensions)
        case Ehlo(name):
            return (b"LHLO " if lmtp else b"EHLO ") + _checked_name(name)
        case Helo(name):
            if lmtp:
                raise LocalProtocolError("LMTP has no HELO (RFC 2033, 4.1)")
            return b"HELO " + _checked_name(name)
        case Bdat(size, last):
            return _bdat_line(size, last, extensions)
        case Authenticate(mechanism, initial):
            line = b"AUTH " + _checked_name(mechanism)
            if initial is None or not goes_along(command):
                return line
            return b"%b %b" % (line, encode_initial(initial.reveal()))
        case Etrn(domain):
            return b"ETRN " + _checked_name(domain)
        case Vrfy(text) | Expn(text) | Help(text):
            if _contains_any(text, b"\r\n\0"):
                raise LocalProtocolError("an argument contains CR, LF or NUL")
            return (verb_of(command).encode("ascii") + b" " + text).rstrip(b" ")
        case _:
            return _VERBS[type(command)]


def goes_along(command: Authenticate) -> bool:
    """Whether the initial response is sent in the AUTH line, not after an empty challenge.

    The line must not exceed the maximum length of a command line (RFC 4954, section 4).
    """
    if command.initial_response is None or not command.at_once:
        return False
    response = encode_initial(command.initial_response.reveal())
    return len(b"AUTH ") + len(command.mechanism) + 1 + len(response) + 2 <= MAX_LINE


def _bdat_line(size: int, last: bool, extensions: Container[bytes]) -> bytes:
    if b"CHUNKING" not in extensions:
        raise LocalProtocolError("the server does not support CHUNKING (RFC 3030)")
    if size < (0 if last else 1):
        # Exim 4.96 refuses such a chunk, and then parses message text as commands.
        raise LocalProtocolError("only the last chunk may be empty")
    return b"BDAT %d%b" % (size, b" LAST" if last else b"")


def _rcpt_line(rcpt: Rcpt, extensions: Container[bytes]) -> bytes:
    if not rcpt.recipient:
        raise LocalProtocolError("the recipient is empty")
    line = b"RCPT TO:<" + _checked_address(rcpt.recipient) + b">"
    if b"DSN" not in extensions:
        return line
    if rcpt.notify:
        if not _is_notify(rcpt.notify):
            raise LocalProtocolError("NOTIFY must be NEVER, or a list of SUCCESS, FAILURE, DELAY")
        line += b" NOTIFY=" + b",".join(rcpt.notify)
    if rcpt.original is not None:
        kind, _, address = rcpt.original.partition(b";")
        line += b" ORCPT=%b;%b" % (_checked_name(kind), encode_xtext(address))
    return line


def _is_notify(occasions: tuple[bytes, ...]) -> bool:
    """Whether this is a valid combination (RFC 3461, 4.1)."""
    return set(occasions) <= _OCCASIONS and (b"NEVER" not in occasions or len(occasions) == 1)


def _mail_line(mail: Mail, extensions: Container[bytes]) -> bytes:
    line = b"MAIL FROM:<" + _checked_address(mail.sender) + b">"
    if mail.size is not None and mail.size < 0:
        raise LocalProtocolError("the size is negative")
    if mail.body is not None and mail.body not in _BODIES:
        raise LocalProtocolError("BODY must be 7BIT, 8BITMIME (RFC 6152) or BINARYMIME (RFC 3030)")
    if mail.body == b"BINARYMIME" and not offers_binary(extensions):
        raise LocalProtocolError("the server does not support BINARYMIME (RFC 3030)")
    if mail.ret not in {None, b"FULL", b"HDRS"}:
        raise LocalProtocolError("RET must be FULL or HDRS (RFC 3461, 4.3)")
    if mail.size is not None and b"SIZE" in extensions:
        line += b" SIZE=%d" % mail.size
    if mail.body is not None and (b"8BITMIME" in extensions or mail.body == b"BINARYMIME"):
        line += b" BODY=" + mail.body
    if b"DSN" in extensions:
        line += b" RET=" + mail.ret if mail.ret else b""
        line += b" ENVID=" + encode_xtext(mail.envid) if mail.envid else b""
    if mail.auth is not None and b"AUTH" in extensions:
        line += b" AUTH=" + (encode_xtext(mail.auth) or b"<>")
    if needs_utf8(mail):
        if b"SMTPUTF8" not in extensions:
            raise LocalProtocolError("the server does not support SMTPUTF8 (RFC 6531)")
        line += b" SMTPUTF8"
    return line


def bodies_taken(extensions: Container[bytes]) -> tuple[bytes, ...]:
    """Return the values allowed in BODY=; none if the server does not support the parameter."""
    bodies: tuple[bytes, ...] = ()
    if b"8BITMIME" in extensions:
        bodies = (b"8BITMIME",)
    if offers_binary(extensions):
        bodies += (b"BINARYMIME",)
    return (b"7BIT", *bodies) if bodies else ()


def offers_binary(extensions: Container[bytes]) -> bool:
    """Whether a message may contain any octets (RFC 3030, section 3)."""
    return b"CHUNKING" in extensions and b"BINARYMIME" in extensions


def needs_utf8(mail: Mail) -> bool:
    """Whether this transaction needs SMTPUTF8 (RFC 6531)."""
    return mail.utf8 or not mail.sender.isascii()


def _checked_name(name: bytes) -> bytes:
    """Return a host name or another single word, if it is safe to send."""
    if not name or not name.isascii() or b" " in name or _contains_any(name, _UNSENDABLE):
        raise LocalProtocolError(f"{name!r} is not a valid name")
    return name


def _checked_address(address: bytes) -> bytes:
    """Return an address, if no server can parse it as anything but one address."""
    if _PLAIN_ADDRESS.fullmatch(address):
        return address
    return _checked_quoted_address(address)


def _checked_quoted_address(address: bytes) -> bytes:
    """Return an address that may have quotes, blanks or other octets, if it is safe to send."""
    if _contains_any(address, _UNSENDABLE):
        raise LocalProtocolError(f"address {address!r} contains a control character or bracket")
    if not address.isascii():
        try:
            address.decode("utf-8")
        except UnicodeDecodeError:
            raise LocalProtocolError(f"address {address!r} is not UTF-8 (RFC 6531)") from None
    end = _end_of_words(address, b" ")
    if end is None or end < len(address):
        raise LocalProtocolError(f"address {address!r} has an unquoted space or an open quote")
    return address


def _contains_any(text: bytes, unwanted: bytes) -> bool:
    return len(text.translate(None, unwanted)) != len(text)


def _end_of_words(text: bytes, stop: bytes) -> int | None:
    """Return the offset of the first byte of ``stop`` outside quotes, or the length of the text.

    Return None if a quoted string is not closed.
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


# Parsing


class _Broken(Exception):
    """A malformed argument, with the reply code and the problem."""

    def __init__(self, problem: str, code: int = 501) -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = code


def parse_command(
    line: bytes, extensions: Container[bytes], limits: Limits, *, lmtp: bool
) -> Heard:
    """Return the command in a line without its CRLF; Unrecognized or Malformed if invalid."""
    word, _, argument = line.partition(b" ")
    verb = word.strip().upper()[:32]
    try:
        if _contains_any(line, b"\r\n\0"):
            # Only CRLF ends a line; a bare CR or LF is not allowed (RFC 5321, 2.3.8).
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
            return _parse_rcpt(argument, extensions)
        case b"BDAT" if b"CHUNKING" in extensions:
            return _parse_bdat(argument, limits)
        case b"AUTH" if b"AUTH" in extensions:
            return _parse_auth(argument)
        case b"ETRN" if b"ETRN" in extensions:
            return Etrn(_required(argument))
        case b"VRFY":
            return Vrfy(_something(argument))
        case b"EXPN":
            return Expn(_something(argument))
        case b"HELP":
            return Help(argument)
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


def _something(argument: bytes) -> bytes:
    if not argument:
        raise _Broken("an argument is expected")
    return argument


def _parse_rcpt(argument: bytes, extensions: Container[bytes]) -> Rcpt:
    recipient, parameters = _parse_path(argument, b"TO:")
    if not recipient:
        raise _Broken("the recipient is empty")
    notify: tuple[bytes, ...] = ()
    original: bytes | None = None
    for parameter in parameters:
        keyword, _, value = parameter.partition(b"=")
        match keyword.upper():
            case b"NOTIFY" if b"DSN" in extensions:
                notify = tuple(value.upper().split(b","))
                if not _is_notify(notify):
                    raise _Broken("NOTIFY must be NEVER, or a list of SUCCESS, FAILURE, DELAY")
            case b"ORCPT" if b"DSN" in extensions:
                kind, semicolon, address = value.partition(b";")
                if not kind or not semicolon:
                    raise _Broken("ORCPT must be a type, a semicolon and an address")
                original = kind + semicolon + _decoded(address)
            case _:
                raise _Broken("RCPT takes no such parameter", 555)
    return Rcpt(recipient, notify, original)


def _parse_bdat(argument: bytes, limits: Limits) -> Bdat:
    match argument.upper().split():
        case [size] if size.isdigit() and len(size) <= limits.digits:
            return Bdat(int(size))
        case [size, b"LAST"] if size.isdigit() and len(size) <= limits.digits:
            return Bdat(int(size), last=True)
        case _:
            raise _Broken("BDAT takes a size, optionally followed by LAST")


def _parse_auth(argument: bytes) -> Authenticate:
    mechanism, _, initial = argument.partition(b" ")
    if not mechanism:
        raise _Broken("AUTH takes a mechanism")
    if not initial:
        return Authenticate(mechanism.upper())
    try:
        return Authenticate(mechanism.upper(), Secret(decode_initial(initial.strip())))
    except ValueError:
        raise _Broken("the initial response is not base64") from None


def _decoded(word: bytes) -> bytes:
    try:
        return decode_xtext(word)
    except ValueError:
        raise _Broken("a parameter is not valid xtext") from None


def _parse_mail(argument: bytes, extensions: Container[bytes], limits: Limits) -> Mail:
    sender, parameters = _parse_path(argument, b"FROM:")
    size: int | None = None
    body: bytes | None = None
    utf8 = False
    ret: bytes | None = None
    envid: bytes | None = None
    auth: bytes | None = None
    for parameter in parameters:
        keyword, _, value = parameter.partition(b"=")
        match keyword.upper():
            case b"RET" if b"DSN" in extensions:
                ret = value.upper()
                if ret not in {b"FULL", b"HDRS"}:
                    raise _Broken("RET must be FULL or HDRS")
            case b"ENVID" if b"DSN" in extensions:
                envid = _decoded(value)
            case b"AUTH" if b"AUTH" in extensions:
                auth = b"" if value == b"<>" else _decoded(value)
            case b"SIZE" if b"SIZE" in extensions:
                if not value.isdigit() or len(value) > limits.digits:
                    raise _Broken("SIZE must be a number")
                size = int(value)
            case b"BODY" if bodies := bodies_taken(extensions):
                body = value.upper()
                if body not in bodies:
                    raise _Broken(f"BODY must be one of {b', '.join(bodies).decode()}")
            case b"SMTPUTF8" if b"SMTPUTF8" in extensions and not value:
                utf8 = True
            case _:
                raise _Broken("MAIL takes no such parameter", 555)
    if not sender.isascii() and not utf8:
        # For a sender 550, for a recipient 553 (RFC 6531, 3.5).
        raise _Broken("the address needs SMTPUTF8", 550)
    return Mail(sender, size, body, utf8, ret, envid, auth)


def _parse_path(argument: bytes, keyword: bytes) -> tuple[bytes, list[bytes]]:
    """Parse ``KEYWORD:<address> parameters``; drop a source route (RFC 5321, F.2)."""
    if argument[: len(keyword)].upper() != keyword:
        raise _Broken(f"{keyword.decode()} is expected")
    # Many clients put a space after the colon, which the grammar does not allow.
    path = argument[len(keyword) :].lstrip(b" ")
    end = _end_of_words(path, b">")
    if not path.startswith(b"<") or end is None or end == len(path):
        raise _Broken("an address in angle brackets is expected")
    address, rest = path[1:end], path[end + 1 :]
    if rest and not rest.startswith(b" "):
        raise _Broken("a space is expected after the address")
    if _end_of_words(address, b" <") != len(address):
        raise _Broken("the address contains a space or a bracket")
    if address.startswith(b"@"):
        _, colon, address = address.partition(b":")
        if not colon:
            raise _Broken("the source route has no colon at its end")
    return address, rest.split()
