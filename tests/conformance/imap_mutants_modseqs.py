"""Servers that break one requirement of CONDSTORE or QRESYNC."""

from __future__ import annotations

from .imap_modseq_services import (
    BeginsSilently,
    CountsEveryStore,
    ForgetsCondstore,
    IgnoresSilentStores,
    IgnoresUidValidity,
    NewMailIsOld,
    ReportsEverything,
)
from .imap_server import Mutant, said
from .interposed import Answer, Change

OK = b"<tag> OK done\r\n"
NO_CLOSED = Change(rb"\* OK \[CLOSED\][^\r]*\r\n", b"")
NO_HIGHEST = Change(rb"OK \[HIGHESTMODSEQ \d+\] done", rb"OK done")
CLEAN: dict[str, Mutant] = {}
MUTANTS: dict[str, Mutant] = {
    "imap/condstore/1": said(Change(rb"\* OK \[HIGHESTMODSEQ \d+\][^\r]*\r\n", b"")),
    "imap/condstore/2": said(
        Answer(rb"\S+ STORE 1 \(UNCHANGEDSINCE .*", replace=rb"<tag> STORE 1 FLAGS (\Seen)")
    ),
    "imap/condstore/3": said(
        Answer(rb"\S+ FETCH 1:\* .*CHANGEDSINCE.*", replace=b"<tag> FETCH 1:* (FLAGS MODSEQ)")
    ),
    "imap/condstore/4": said(Change(rb"(SEARCH[ \d]*) \(MODSEQ \d+\)", rb"\1")),
    "imap/condstore/5": Mutant(service=IgnoresSilentStores),
    "imap/condstore/6": said(Change(rb"MODIFIED 3\]", rb"MODIFIED 2]")),
    "imap/condstore/7": said(Change(rb"\* 1 FETCH \(UID 1 MODSEQ \(\d+\)\)\r\n", b"")),
    "imap/condstore/8": said(Change(rb"(STATUS [^(]*\(HIGHESTMODSEQ )", rb"\g<1>9")),
    "imap/condstore/9": said(Change(rb"(FLAGS \([^)]*\)) MODSEQ \(\d+\)", rb"\1")),
    "imap/condstore/10": Mutant(service=NewMailIsOld),
    "imap/condstore/11": Mutant(service=BeginsSilently),
    "imap/condstore/12": said(
        Answer(rb"\S+ STORE 1 \(UNCHANGEDSINCE 0\) .*", replace=rb"<tag> STORE 1 +FLAGS (\Flagged)")
    ),
    "imap/condstore/13": Mutant(service=CountsEveryStore),
    "imap/condstore/14": said(
        Answer(
            rb"\S+ STORE 2,1:2 .*",
            b"* 2 FETCH (UID 2 MODSEQ (99))\r\n<tag> OK [MODIFIED 2] done\r\n",
        )
    ),
    "imap/condstore/15": Mutant(service=ForgetsCondstore),
    "imap/qresync/1": said(Change(rb"\* VANISHED \d+\r\n", b"* 1 EXPUNGE\r\n")),
    "imap/qresync/2": said(Answer(rb"\S+ SELECT \S+ \(QRESYNC .*", OK)),
    "imap/qresync/3": said(Change(rb"\* VANISHED \(EARLIER\) [\d:,]+\r\n", b"")),
    "imap/qresync/4": said(
        Change(rb"(\* VANISHED \(EARLIER\) [\d:,]+\r\n)(\* \d+ FETCH [^\r]+\r\n)", rb"\2\1")
    ),
    "imap/qresync/5": said(Change(rb"\* VANISHED \(EARLIER\)", rb"* VANISHED")),
    "imap/qresync/6": said(NO_HIGHEST),
    "imap/qresync/7": Mutant(service=IgnoresUidValidity),
    "imap/qresync/8": said(
        Answer(rb"\S+ FETCH 1:\* .*VANISHED\)", replace=b"<tag> FETCH 1:* (FLAGS) (CHANGEDSINCE 1)")
    ),
    "imap/qresync/9": said(Answer(rb"\S+ CLOSE", b"<tag> OK [HIGHESTMODSEQ 9] done\r\n")),
    "imap/qresync/10": said(Change(rb"(\* \d+ FETCH \()UID \d+ (FLAGS)", rb"\1\2")),
    "imap/qresync/11": said(NO_CLOSED),
    "imap/qresync/12": said(NO_HIGHEST),
    "imap/qresync/13": Mutant(service=ReportsEverything),
    "imap/qresync/15": said(Change(rb" FLAGS (\([^)]*\)) MODSEQ \(\d+\)", rb" FLAGS \1")),
    "imap/qresync/14": said(NO_CLOSED),
}
