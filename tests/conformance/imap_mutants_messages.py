"""Servers that break one requirement of CHECK, CLOSE, UNSELECT, EXPUNGE, STORE, COPY or MOVE."""

from __future__ import annotations

from .imap_server import Mutant, said
from .imap_services import (
    CopiesForMove,
    CopiesInPart,
    DeletesBeforeMove,
    ExpungesAfterMove,
    ExpungesAll,
    ExpungesAtAnyTime,
    ExpungesReadOnly,
    HidesOtherChanges,
    LosesMessages,
    MovesReadOnly,
    ReportsNothing,
    ReusesUids,
)
from .interposed import Answer, Change

END = b"\r\n<tag> OK done\r\n"
CLEAN: dict[str, Mutant] = {}
MUTANTS: dict[str, Mutant] = {
    "imap/check/1": said(Answer(rb"\S+ CHECK", b"<tag> BAD unknown command\r\n")),
    "imap/close/1": said(Answer(rb"\S+ CLOSE", b"* 1 EXPUNGE\r\n<tag> OK done\r\n")),
    "imap/close/2": Mutant(service=ExpungesReadOnly),
    "imap/unselect/1": said(Answer(rb"\S+ UNSELECT", replace=b"<tag> CLOSE")),
    "imap/expunge/2": Mutant(service=ExpungesAtAnyTime),
    "imap/expunge/3": Mutant(service=ExpungesReadOnly),
    "imap/expunge/4": Mutant(service=ExpungesAll),
    "imap/store/1": said(
        Answer(rb"\S+ STORE 1 \+FLAGS\.SILENT .*", replace=rb"<tag> STORE 1 +FLAGS (\Flagged)")
    ),
    "imap/store/2": Mutant(service=HidesOtherChanges),
    "imap/store/3": said(
        Answer(rb"\S+ STORE 1 \+FLAGS \(\\Recent\)", rb"* 1 FETCH (FLAGS (\Recent))" + END)
    ),
    "imap/store/4": said(
        Answer(rb"\S+ STORE 1 \+FLAGS .*", rb"* 1 FETCH (FLAGS (\Flagged))" + END)
    ),
    "imap/store/5": said(Answer(rb"\S+ STORE 1 \+FLAGS .*", b"<tag> NO no more keywords\r\n")),
    "imap/store/6": Mutant(service=ReportsNothing),
    "imap/copy/1": said(Change(rb"NO \[TRYCREATE\]", rb"NO")),
    "imap/copy/2": Mutant(service=CopiesInPart),
    "imap/copy/3": Mutant(service=ReportsNothing),
    "imap/copy/4": said(Answer(rb"\S+ UID COPY \d+:\d+ .*", b"<tag> NO no such message\r\n")),
    "imap/move/1": Mutant(service=CopiesForMove),
    "imap/move/2": Mutant(service=ExpungesAfterMove),
    "imap/move/3": Mutant(service=LosesMessages),
    "imap/move/4": said(Answer(rb"\S+ MOVE 2 .*", b"<tag> NO it is here already\r\n")),
    "imap/move/5": Mutant(service=DeletesBeforeMove),
    "imap/move/6": Mutant(service=MovesReadOnly),
    "imap/uid/1": said(Change(rb"FETCH \(UID \d+ FLAGS", rb"FETCH (FLAGS")),
    "imap/uid/2": said(Answer(rb"\S+ UID FETCH \d{4,}:\* .*", b"<tag> OK done\r\n")),
    "imap/uid/3": said(Change(rb"\* 2 FETCH \(UID 2\)", rb"* 2 FETCH (UID 1)")),
    "imap/uid/4": Mutant(service=ReusesUids),
    "imap/uid/5": said(Change(rb"\* 1 FETCH \(UID 2 FLAGS", rb"* 2 FETCH (UID 2 FLAGS")),
    "imap/uidplus/1": said(Change(rb"APPENDUID (\d+) (\d+)", rb"APPENDUID \1 9\2")),
    "imap/uidplus/2": said(Answer(rb"\S+ UID EXPUNGE .*", replace=b"<tag> EXPUNGE")),
    "imap/uidplus/3": said(Change(rb"COPYUID (\d+) 1:3 1:3", rb"COPYUID \1 1:3 2:3,1")),
}
