"""Servers that break one requirement on greetings, commands, logins, or the end of a session."""

from __future__ import annotations

from .interposed import Answer, Change
from .pop3_faulty import (
    DeletesAtOnce,
    Impatient,
    KeepsLock,
    LocksTooEarly,
    SharesMaildrop,
    TakesPieces,
    UpdatesAtTheEnd,
)
from .pop3_server import Mutant, said

OK, ERR = b"+OK\r\n", b"-ERR no\r\n"


def numbered(connection: int) -> bytes:
    """Return a timestamp that is new for each connection."""
    return b"<%d.1@pop.example.org>" % connection


def always_the_same(connection: int) -> bytes:
    """Return the timestamp of a server with a broken clock."""
    del connection
    return b"<1.1@pop.example.org>"


CLEAN = {
    "pop3/apop/1": Mutant(timestamp=numbered),
    "pop3/apop/2": Mutant(timestamp=numbered),
    "pop3/apop/3": Mutant(timestamp=numbered),
    "pop3/tls/1": Mutant(wrapped=True, target={"wrapped": True}),
    "pop3/tls/2": Mutant(wrapped=True, target={"wrapped": True}),
}

MUTANTS: dict[str, Mutant] = {
    "pop3/greet/1": said(Change(rb"\A\+OK ready\r\n", b"+OK ready\n")),
    "pop3/greet/1 two lines": said(Change(rb"\A\+OK ready\r\n", b"+OK ready\r\nWelcome!\r\n")),
    "pop3/greet/1 too long": said(Change(rb"\A\+OK ready", b"+OK " + b"x" * 600)),
    "pop3/greet/1 lower case": said(Change(rb"\A\+OK ready", b"+ok ready")),
    "pop3/greet/2": Mutant(timestamp=numbered),
    "pop3/apop/1": Mutant([Answer(rb"APOP .*", ERR)], timestamp=numbered),
    "pop3/apop/2": Mutant([Answer(rb"APOP .*", OK)], timestamp=numbered),
    "pop3/apop/3": Mutant(timestamp=always_the_same),
    "pop3/tls/1": Mutant(target={"wrapped": True}),
    "pop3/tls/2": Mutant(
        [Answer(rb"STAT", b"+OK 0 0\r\n")], wrapped=True, target={"wrapped": True}
    ),
    "pop3/status/1": said(Answer(rb"NOOP", b"+Ok\r\n")),
    "pop3/status/1 no indicator": said(Answer(rb"USER .*", b"Welcome!\r\n", after=1)),
    "pop3/status/2": said(Answer(rb"XMHTEST", OK)),
    "pop3/status/2 no reply": said(Answer(rb"XMHTEST")),
    "pop3/status/3": said(Answer(rb"STAT", b"+OK 0 0\r\n")),
    "pop3/status/4": said(Answer(rb"USER joe", OK, after=1)),
    "pop3/status/5": said(Answer(rb"DELE 1", OK)),
    "pop3/case/1": said(Answer(rb"(?-i:sTaT)", ERR)),
    "pop3/case/1 password": said(Answer(rb"(?-i:pAsS) .*", ERR)),
    "pop3/case/2": said(Answer(rb"(?-i:rEtR) 1", ERR)),
    "pop3/args/1": said(Answer(rb"DELE", replace=b"DELE 1")),
    "pop3/args/1 zero": said(Answer(rb"RETR 0", replace=b"RETR 1")),
    "pop3/args/2": said(Answer(rb"TOP 1", replace=b"TOP 1 0")),
    "pop3/args/2 negative": said(Answer(rb"DELE -1", replace=b"DELE 2")),
    "pop3/args/3": said(Answer(rb"RETR 4294967297", replace=b"RETR 1")),
    "pop3/args/3 DELE": said(Answer(rb"DELE 65537", replace=b"DELE 1")),
    "pop3/args/4": said(Answer(rb"STAT 1", replace=b"STAT")),
    "pop3/args/5": said(Answer(rb"STAT ", ERR)),
    "pop3/line/1": said(Change(rb"-ERR unknown", b"-ERR " + b"x" * 600)),
    "pop3/line/2": said(Answer(rb"NOOP")),
    "pop3/line/3": Mutant(machine=TakesPieces),
    "pop3/line/4": said(Change(rb"\r\n", b"\n")),
    "pop3/auth/1": said(Answer(rb"PASS no-.*", OK)),
    "pop3/auth/1 locked out": said(Answer(rb"PASS open sesame", ERR)),
    "pop3/auth/2": said(Answer(rb"PASS .*", OK)),
    "pop3/auth/3": said(Answer(rb"PASS open sesame", replace=b"PASS open")),
    "pop3/auth/4": said(Answer(rb"PASS open sesame", OK)),
    "pop3/auth/5": said(Answer(rb"STAT", b"+OK 0 0\r\n")),
    "pop3/auth/6": said(Answer(rb"PASS no-.*", OK)),
    "pop3/lock/1": Mutant(service=SharesMaildrop),
    "pop3/lock/2": said(Change(rb"\[IN-USE\] ", b"")),
    "pop3/lock/3": Mutant(service=LocksTooEarly),
    "pop3/quit/1": said(Answer(rb"QUIT", OK)),
    "pop3/quit/1 -ERR": said(Change(rb"\A\+OK\r\n", ERR)),
    "pop3/quit/2": Mutant(service=DeletesAtOnce),
    "pop3/quit/2 at the end": Mutant(service=UpdatesAtTheEnd),
    "pop3/quit/3": said(Answer(rb"DELE 2", OK)),
    "pop3/quit/3 another": said(Answer(rb"DELE 2", replace=b"DELE 3")),
    "pop3/quit/4": said(Answer(rb"QUIT", OK)),
    "pop3/quit/5": Mutant(service=KeepsLock),
    "pop3/idle/1": Mutant(service=Impatient),
    "pop3/idle/2": Mutant(service=UpdatesAtTheEnd),
}
