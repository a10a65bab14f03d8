"""For every IMAP case a server that breaks just its requirement."""

from __future__ import annotations

from . import imap_mutants_append as append
from . import imap_mutants_mailboxes as mailboxes
from . import imap_mutants_session as session
from .imap_server import Mutant, said
from .interposed import Change

CLEAN: dict[str, Mutant] = {**session.CLEAN, **mailboxes.CLEAN, **append.CLEAN}
"""The server that a case agrees with, where it is not our server as it is."""
MUTANTS: dict[str, Mutant] = {
    "imap/expunge/1": said(
        Change(rb"\* 1 EXPUNGE\r\n\* 1 EXPUNGE\r\n\* 1 E", rb"* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 E")
    ),
    **session.MUTANTS,
    **mailboxes.MUTANTS,
    **append.MUTANTS,
}
