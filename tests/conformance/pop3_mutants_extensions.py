"""Servers that break one requirement on capabilities, pipelining, SASL, STLS, UTF8 or LANG."""

from __future__ import annotations

from .interposed import Answer, Change
from .pop3_extended import Announcing, Delaying, LanguageService, Pairs, Utf8Service
from .pop3_faulty import (
    CutsLines,
    ForgetsPipelined,
    ForgetsSasl,
    IgnoresBadCharacters,
    KeepsPlainInput,
    ListsStlsAfterLogin,
    QuitsFirst,
)
from .pop3_mutants_dialogue import ERR, OK
from .pop3_server import Mutant, said


def announcing(name: bytes, before: bytes, after: bytes | None = None) -> Mutant:
    """Return a server with this capability, with arguments before and after the login."""
    options: dict[str, Pairs] = {"before": ((name, before),)}
    if after is not None:
        options["after"] = ((name, after),)
    return Mutant(service=Announcing, options=options)


def utf8(*faults: Answer | Change) -> Mutant:
    """Return a server with UTF8, and faults on the wire."""
    return Mutant(faults, service=Utf8Service)


def lang(*faults: Answer | Change) -> Mutant:
    """Return a server with LANG, and faults on the wire."""
    return Mutant(faults, service=LanguageService)


def refusing(code: bytes) -> Mutant:
    """Return a server that has a response code for messages that are not there."""
    return said(Change(rb"-ERR no such message", b"-ERR " + code + b" no such message"))


CLEAN = {
    "pop3/capa/7": announcing(b"IMPLEMENTATION", b"mailhaul"),
    "pop3/resp/3": refusing(b"[SYS/TEMP]"),
    "pop3/delay/1": announcing(b"LOGIN-DELAY", b"60 USER", b"30"),
    "pop3/delay/2": Mutant(service=Delaying, options={"before": ((b"LOGIN-DELAY", b"600"),)}),
    "pop3/expire/1": announcing(b"EXPIRE", b"5 USER", b"NEVER"),
    **{f"pop3/utf8/{number}": utf8() for number in range(1, 7)},
    **{f"pop3/lang/{number}": lang() for number in range(1, 5)},
}

MUTANTS: dict[str, Mutant] = {
    "pop3/capa/1": said(Answer(rb"CAPA", OK)),
    "pop3/capa/2": Mutant(machine=CutsLines),
    "pop3/capa/3": Mutant(service=Announcing, options={"before": ((b"XTND", b""),), "after": ()}),
    "pop3/capa/4": said(Answer(rb"UIDL", ERR)),
    "pop3/capa/4 TOP": said(Answer(rb"TOP .*", ERR)),
    "pop3/capa/4 USER": said(Change(rb"\r\nUSER\r\n", b"\r\n")),
    "pop3/capa/5": announcing(b"TAG.WITH.DOT", b""),
    "pop3/capa/5 blanks": announcing(b"TAG", b"two  blanks"),
    "pop3/capa/6": said(Answer(rb"CAPA", ERR, after=1)),
    "pop3/capa/7": announcing(b"IMPLEMENTATION", b""),
    "pop3/capa/8": said(Change(rb"\r\nSASL PLAIN", b"\r\nSASL PL@IN")),
    "pop3/resp/1": refusing(b"[no code]"),
    "pop3/resp/1 empty part": refusing(b"[SYS//TEMP]"),
    "pop3/resp/2": said(Change(rb"\[AUTH\] ", b"")),
    "pop3/resp/3": refusing(b"[SYS/SOON]"),
    "pop3/delay/1": announcing(b"LOGIN-DELAY", b"30", b"60"),
    "pop3/delay/1 no number": announcing(b"LOGIN-DELAY", b"long"),
    "pop3/delay/2": announcing(b"LOGIN-DELAY", b"600"),
    "pop3/expire/1": announcing(b"EXPIRE", b"NEVER", b"30"),
    "pop3/expire/1 no number": announcing(b"EXPIRE", b"SOON"),
    "pop3/pipe/1": Mutant(machine=ForgetsPipelined),
    "pop3/pipe/2": Mutant(machine=QuitsFirst),
    "pop3/pipe/3": Mutant(machine=ForgetsPipelined),
    "pop3/sasl/1": said(Answer(rb"AUTH PLAIN .+", ERR)),
    "pop3/sasl/2": said(Change(rb"\A\+ \r\n", b"+\r\n")),
    "pop3/sasl/2 a text": said(Change(rb"\A\+ \r\n", b"+ go ahead\r\n")),
    "pop3/sasl/3": said(Answer(rb"\*", OK)),
    "pop3/sasl/3 no login": said(Answer(rb"AUTH PLAIN .+", ERR)),
    "pop3/sasl/4": Mutant(machine=IgnoresBadCharacters),
    "pop3/sasl/5": said(Answer(rb"AUTH PLAIN .*", OK, after=1)),
    "pop3/sasl/6": Mutant(service=ForgetsSasl),
    "pop3/sasl/7": said(Answer(rb"AUTH XMHTEST", OK)),
    "pop3/sasl/8": said(Answer(rb"AUTH PLAIN =", b"+ \r\n")),
    "pop3/sasl/9": said(Answer(rb"(?-i:aUtH) .*", ERR)),
    "pop3/sasl/10": said(Answer(rb"AUTH PLAIN .*", ERR, after=1)),
    "pop3/sasl/11": Mutant(machine=CutsLines),
    "pop3/sasl/12": said(Answer(rb"AUTH CRAM-MD5 .*", b"+ PG5vbmNlPg==\r\n")),
    "pop3/sasl/13": said(Change(rb"\A\+ (\S+)\r\n", rb"+ \1 please\r\n")),
    "pop3/sasl/14": Mutant(machine=IgnoresBadCharacters),
    "pop3/stls/1": said(Change(rb"\r\nSASL", b"\r\nSTLS\r\nSASL")),
    "pop3/stls/1 refused": said(Answer(rb"STLS", ERR)),
    "pop3/stls/2": Mutant(machine=KeepsPlainInput),
    "pop3/stls/3": said(Answer(rb"STLS", OK)),
    "pop3/stls/4": said(Answer(rb"STLS", OK, after=1)),
    "pop3/stls/5": said(Answer(rb"STAT", b"+OK 0 0\r\n")),
    "pop3/stls/6": said(Answer(rb"PASS .*", OK)),
    "pop3/stls/7": Mutant(service=ListsStlsAfterLogin),
    "pop3/utf8/1": announcing(b"UTF8", b""),
    "pop3/utf8/2": utf8(Answer(rb"STLS", OK)),
    "pop3/utf8/3": utf8(Change("Grüße".encode(), b"Gr??e")),
    "pop3/utf8/4": utf8(Change(rb"\r\n1 (\d)", rb"\r\n1 9\1")),
    "pop3/utf8/5": utf8(Answer(rb"UTF8", OK)),
    "pop3/utf8/6": announcing(b"UTF8", b"PERHAPS"),
    "pop3/lang/1": lang(Change(rb"\r\nen English", b"\r\n(en) English")),
    "pop3/lang/2": lang(Change(rb"\+OK en ", b"+OK ")),
    "pop3/lang/3": lang(Answer(rb"LANG qaa.*", b"+OK en as ever\r\n")),
    "pop3/lang/4": lang(Answer(rb"LANG \*", OK)),
}
