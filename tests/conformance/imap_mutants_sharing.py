"""Servers that break one requirement of sessions that share a mailbox, of IDLE, or of ENABLE."""

from __future__ import annotations

from .imap_server import Mutant, said
from .imap_services import (
    CompressesTwice,
    EnableTakesAway,
    ForgetsNumbers,
    HastyExpunge,
    IdlesSilently,
    LogsOutEarly,
    ReportsLate,
    ReportsNothing,
)
from .interposed import Answer, Change

OK = b"<tag> OK done\r\n"
CLEAN: dict[str, Mutant] = {}
MUTANTS: dict[str, Mutant] = {
    "imap/multi/1": Mutant(service=ReportsNothing),
    "imap/multi/2": said(Answer(rb"P7 FETCH 1 \(FLAGS\)", rb"* 1 FETCH (FLAGS ())" b"\r\n" + OK)),
    "imap/multi/3": Mutant(service=ForgetsNumbers),
    "imap/multi/4": Mutant(service=ReportsLate),
    "imap/idle/1": Mutant(service=IdlesSilently),
    "imap/idle/2": said(Answer(rb"A900 NOOP")),
    "imap/idle/3": Mutant(service=LogsOutEarly),
    "imap/idle/4": Mutant(service=IdlesSilently),
    "imap/idle/5": Mutant(service=IdlesSilently),
    "imap/idle/6": Mutant(service=HastyExpunge),
    "imap/enable/1": said(Change(rb"\* ENABLED", rb"* ENABLED X-UNKNOWN")),
    "imap/enable/2": Mutant(service=EnableTakesAway),
    "imap/compress/1": said(Answer(rb"\S+ COMPRESS DEFLATE", OK)),
    "imap/compress/2": Mutant(machine=CompressesTwice),
    "imap/statussize/1": said(Change(rb"\(SIZE \d+\)", rb"(SIZE 1)")),
}
