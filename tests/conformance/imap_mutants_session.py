"""For every IMAP case about the session a server that breaks just its requirement."""

from __future__ import annotations

from base64 import b64encode

from mailhaul.servers.imap import ALL_CAPABILITIES

from .imap_server import JOE, Mutant, said
from .imap_session_services import (
    AlwaysAnnouncesStartTls,
    DisablesLogin,
    SaysBye,
    SaysByeAndStays,
    TakesInjectedCommands,
)
from .interposed import Answer, Change

RIGHT = b64encode(b"\0%b\0%b" % (JOE.name, JOE.password))
NO_LOGIN = (*ALL_CAPABILITIES, b"LOGINDISABLED")

CLEAN: dict[str, Mutant] = {
    "imap/greet/2": Mutant(preauth=True),
    "imap/greet/3": Mutant(service=SaysBye),
    "imap/preauth/1": Mutant(preauth=True),
    "imap/capa/3": Mutant(service=DisablesLogin, capabilities=NO_LOGIN),
    "imap/tls/3": Mutant(wrapped=True, target={"wrapped": True}),
}

GREETING: dict[str, Mutant] = {
    "imap/greet/1": said(Change(rb"^\* OK ", rb"* HELLO ")),
    "imap/greet/2": Mutant([Answer(rb"\S+ LOGIN .*", b"<tag> OK again\r\n")], preauth=True),
    "imap/greet/3": Mutant(service=SaysByeAndStays),
    "imap/preauth/1": Mutant(service=AlwaysAnnouncesStartTls, preauth=True),
    "imap/capa/1": said(Change(rb"\* CAPABILITY IMAP4REV1 ", rb"* CAPABILITY ")),
    "imap/capa/2": said(Change(rb"\* CAPABILITY (.*) LITERAL\+", rb"* CAPABILITY \1")),
    "imap/capa/3": Mutant(capabilities=NO_LOGIN),
    "imap/id/1": said(Answer(rb"\S+ ID NIL", b"<tag> OK done\r\n")),
    "imap/id/2": said(Change(rb'\* ID \("name"', rb'* ID ("name" "another" "NAME"')),
}
STATES: dict[str, Mutant] = {
    "imap/tag/1": said(Change(rb"A\.b-1 OK", rb"a.b-1 OK")),
    "imap/tag/2": said(Answer(rb"\S*[#@]\S* NOOP", b"* BAD no such tag\r\n")),
    "imap/case/1": said(Answer(rb"\S+ (?-i:nOoP)", b"<tag> BAD unknown command\r\n")),
    "imap/syntax/1": said(Answer(rb"\S+ NOOP .*", b"<tag> OK done\r\n")),
    "imap/syntax/2": said(Answer(rb"\(NOOP\)", b"(NOOP) BAD what\r\n")),
    "imap/line/1": said(Answer(rb".{7900,}", b"<tag> BAD too long\r\n")),
    "imap/state/1": said(Answer(rb"\S+ SELECT INBOX", b"<tag> OK selected\r\n")),
    "imap/state/2": said(Answer(rb"\S+ FETCH .*", b"<tag> OK nothing\r\n")),
    "imap/state/3": said(Answer(rb"\S+ SELECT .*missing.*", b"<tag> NO no such mailbox\r\n")),
    "imap/state/4": said(Answer(rb"\S+ LOGIN .*", b"<tag> OK again\r\n", after=1)),
    "imap/noop/1": said(Answer(rb"\S+ NOOP", b"<tag> BAD not now\r\n")),
    "imap/logout/1": said(Change(rb"\* BYE [^\r]*\r\n", rb"")),
    "imap/logout/2": said(Change(rb"\* BYE [^\r]*\r\n", rb"")),
}
LOGIN: dict[str, Mutant] = {
    "imap/login/1": said(Answer(rb'\S+ LOGIN "joe" "open sesamex"', b"<tag> BAD wrong\r\n")),
    "imap/login/2": said(Answer(rb"\S+ LOGIN .*\\\\.*", b"<tag> BAD a strange character\r\n")),
    "imap/login/3": said(Answer(rb'\S+ LOGIN "joe" ""', b"<tag> OK welcome\r\n")),
    "imap/auth/1": said(Answer(rb"\S+ AUTHENTICATE XMHTEST", b"<tag> BAD unknown\r\n")),
    "imap/auth/2": said(Answer(rb"\*", b"A2 NO cancelled\r\n")),
    "imap/auth/3": said(Change(rb"^\+ \r\n", rb"+\r\n")),
    "imap/auth/4": said(Answer(rb"=AAA", replace=RIGHT)),
    "imap/auth/5": said(Answer(rb"\S+ AUTHENTICATE .*", b"* BYE one try only\r\n", after=1)),
    "imap/auth/6": said(Answer(b64encode(b"\0joe\0open sesame\0more"), replace=RIGHT)),
    "imap/saslir/1": said(
        Answer(rb"\S+ AUTHENTICATE PLAIN .*", replace=b"<tag> AUTHENTICATE PLAIN")
    ),
    "imap/saslir/2": said(
        Answer(rb"\S+ AUTHENTICATE PLAIN =", replace=b"<tag> AUTHENTICATE PLAIN")
    ),
    "imap/saslir/3": said(
        Answer(rb"\S+ AUTHENTICATE PLAIN .*!.*", replace=b"<tag> AUTHENTICATE PLAIN " + RIGHT)
    ),
}
TLS: dict[str, Mutant] = {
    "imap/tls/1": Mutant(service=AlwaysAnnouncesStartTls),
    "imap/tls/2": Mutant(machine=TakesInjectedCommands),
    "imap/tls/3": Mutant(target={"wrapped": True}),
    "imap/tls/4": said(Answer(rb"\S+ STARTTLS", b"<tag> OK begin\r\n", after=1)),
    "imap/tls/5": said(Answer(rb"\S+ STARTTLS", b"<tag> OK begin\r\n")),
}
MUTANTS: dict[str, Mutant] = {**GREETING, **STATES, **LOGIN, **TLS}
