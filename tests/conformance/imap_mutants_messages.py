"""Servers that break one requirement of CHECK, CLOSE, UNSELECT, EXPUNGE, STORE, COPY or MOVE."""

from __future__ import annotations

from .imap_server import Mutant, said
from .imap_services import ExpungesAll, ExpungesAtAnyTime, ExpungesReadOnly
from .interposed import Answer

CLEAN: dict[str, Mutant] = {}
MUTANTS: dict[str, Mutant] = {
    "imap/check/1": said(Answer(rb"\S+ CHECK", b"<tag> BAD unknown command\r\n")),
    "imap/close/1": said(Answer(rb"\S+ CLOSE", b"* 1 EXPUNGE\r\n<tag> OK done\r\n")),
    "imap/close/2": Mutant(service=ExpungesReadOnly),
    "imap/unselect/1": said(Answer(rb"\S+ UNSELECT", replace=b"<tag> CLOSE")),
    "imap/expunge/2": Mutant(service=ExpungesAtAnyTime),
    "imap/expunge/3": Mutant(service=ExpungesReadOnly),
    "imap/expunge/4": Mutant(service=ExpungesAll),
}
