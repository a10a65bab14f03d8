"""For every IMAP case a server that breaks just its requirement."""

from __future__ import annotations

from . import (
    imap_mutants_append,
    imap_mutants_fetching,
    imap_mutants_mailboxes,
    imap_mutants_messages,
    imap_mutants_modseqs,
    imap_mutants_searching,
    imap_mutants_session,
    imap_mutants_sharing,
)
from .imap_server import Mutant, said
from .interposed import Change

MODULES = (
    imap_mutants_append,
    imap_mutants_fetching,
    imap_mutants_mailboxes,
    imap_mutants_messages,
    imap_mutants_modseqs,
    imap_mutants_searching,
    imap_mutants_session,
    imap_mutants_sharing,
)
CLEAN: dict[str, Mutant] = {}
"""The server that a case agrees with, where it is not our server as it is."""
MUTANTS: dict[str, Mutant] = {
    "imap/expunge/1": said(
        Change(rb"\* 1 EXPUNGE\r\n\* 1 EXPUNGE\r\n\* 1 E", rb"* 1 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 E")
    ),
}
for module in MODULES:
    CLEAN.update(module.CLEAN)
    MUTANTS.update(module.MUTANTS)
