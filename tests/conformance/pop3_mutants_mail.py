"""Servers that break one requirement on the maildrop and its messages."""

from __future__ import annotations

from .interposed import Answer, Change
from .pop3_faulty import DeletesAtTop, NumbersAsIds
from .pop3_mutants_dialogue import ERR, OK
from .pop3_server import Mutant, said

MUTANTS: dict[str, Mutant] = {
    "pop3/stat/1": said(Change(rb"\+OK 3 (\d)(\d*)\r\n$", rb"+OK 3 9\1\2\r\n")),
    "pop3/stat/2": said(Change(rb"\+OK 2 (\d+)\r\n$", rb"+OK 3 \1\r\n")),
    "pop3/stat/2 size": said(Change(rb"\+OK 2 (\d+)\r\n$", rb"+OK 2 9\1\r\n")),
    "pop3/empty/1": said(Answer(rb"LIST", ERR)),
    "pop3/empty/1 STAT": said(Answer(rb"STAT", ERR)),
    "pop3/list/1": said(Change(rb"\r\n2 (\d+)", rb"\r\n2  \1")),
    "pop3/list/1 hexadecimal": said(Change(rb"\r\n2 (\d+)", rb"\r\n2 0x\1")),
    "pop3/list/1 from zero": said(Change(rb"\r\n1 (\d+)", rb"\r\n0 \1")),
    "pop3/list/2": said(Answer(rb"LIST 99", b"+OK 99 0\r\n")),
    "pop3/list/2 many lines": said(Answer(rb"LIST 1", replace=b"LIST")),
    "pop3/list/3": said(Change(rb"\r\n2 (\d)", rb"\r\n2 9\1")),
    "pop3/list/4": said(Change(rb"\r\n3 (\d)", rb"\r\n3 9\1")),
    "pop3/dele/1": said(Answer(rb"DELE 1", b"+OK again\r\n", after=1)),
    "pop3/dele/2": said(Change(rb"OK\r\n2 (\d+)\r\n3 (\d+)\r\n\.", rb"OK\r\n1 \1\r\n2 \2\r\n.")),
    "pop3/rset/1": said(Answer(rb"RSET", OK)),
    "pop3/rset/2": said(Answer(rb"RSET", OK)),
    "pop3/noop/1": said(Answer(rb"NOOP", replace=b"RSET")),
    "pop3/retr/1": said(Change(rb"\xfc", b"?")),
    "pop3/retr/1 a line cut": said(Change(rb"x{800}", b"x" * 800 + b"\r\n")),
    "pop3/retr/1 a field added": said(Change(rb"\+OK\r\nFrom", b"+OK\r\nX-Added: 1\r\nFrom")),
    "pop3/retr/2": said(Change(rb"\r\n\.\.x", b"\r\n.x")),
    "pop3/retr/2 an early end": said(Change(rb"\r\n\.\.\r\n", b"\r\n.\r\n")),
    "pop3/retr/3": said(Answer(rb"RETR 1", b"+OK\r\nSubject: a\r\n\r\n.\r\n")),
    "pop3/retr/4": said(Change(rb"\r\n\.\.Hidden", b"\r\n.Hidden")),
    "pop3/retr/5": said(Change(rb"has no end\r\n\.\r\n", b"has no end.\r\n")),
    "pop3/retr/6": said(Change(rb"two\r\n\.\.\r\n", b"two\r\n.\r\n")),
    "pop3/retr/6 LF": said(Change(rb"one\r\ntwo\r\n\.\.\r\n", b"one\ntwo\n.\n")),
    "pop3/retr/7": said(Answer(rb"RETR 1", ERR, after=1)),
    "pop3/top/1": said(Answer(rb"TOP 1 2", replace=b"TOP 1 3")),
    "pop3/top/1 no empty line": said(Change(rb"(Subject: ten lines\r\n)\r\n\.", rb"\1.")),
    "pop3/top/2": Mutant(service=DeletesAtTop),
    "pop3/top/3": said(Answer(rb"TOP 1 0", replace=b"TOP 2 0", after=1)),
    "pop3/top/4": said(Change(rb"\r\n\.\.x", b"\r\n.x")),
    "pop3/uidl/1": said(Change(rb"\b1\.(\d)", b"x" * 71)),
    "pop3/uidl/1 a blank": said(Change(rb"\b1\.(\d)", rb"1.\1 (new)")),
    "pop3/uidl/2": Mutant(service=NumbersAsIds),
    "pop3/uidl/3": Mutant(service=NumbersAsIds),
    "pop3/uidl/4": said(Answer(rb"UIDL 2", b"+OK 2 1.2\r\n")),
    "pop3/uidl/4 other id": said(Answer(rb"UIDL 1", b"+OK 1 1.2\r\n")),
    "pop3/uidl/5": said(Change(rb"\b1\.3\b", b"1.2")),
    "pop3/uidl/6": said(Answer(rb"UIDL x", replace=b"UIDL 1")),
}
