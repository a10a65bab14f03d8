"""Servers that break one requirement of SEARCH and its extensions."""

from __future__ import annotations

from mailhaul.servers.imap import ALL_CAPABILITIES

from .imap_server import Mutant, said
from .interposed import Answer, Change

SAVING = (*ALL_CAPABILITIES, b"SEARCHRES")
EMPTY = rb"\S+ FETCH \$ .*"
"""SEARCHRES for just these cases: what is saved is answered on the wire."""


def saving(*faults: Answer | Change) -> Mutant:
    """Return a server that announces SEARCHRES."""
    return Mutant(faults, capabilities=SAVING)


def fetching(numbers: bytes) -> Answer:
    """Answer FETCH $ as if it were the FETCH of these messages."""
    return Answer(rb"\S+ FETCH \$ .*", replace=b"<tag> FETCH %b (UID)" % numbers)


OK = b"<tag> OK done\r\n"
SAVE = Answer(rb"\S+ SEARCH RETURN \(SAVE\) .*", OK)
SAVE_MIN = Answer(rb"\S+ SEARCH RETURN \(SAVE MIN\) .*", b'* ESEARCH (TAG "<tag>") MIN 2\r\n' + OK)
CLEAN: dict[str, Mutant] = {
    "imap/searchres/1": saving(SAVE, fetching(b"2:3")),
    "imap/searchres/2": saving(SAVE_MIN, fetching(b"2")),
    "imap/searchres/3": saving(SAVE, Answer(rb"\S+ FETCH \$ .*", OK)),
}
MUTANTS: dict[str, Mutant] = {
    "imap/search/1": said(Answer(rb"(\S+) SEARCH SENTON .*", replace=b"<tag> SEARCH ALL")),
    "imap/search/2": said(Change(rb"NO \[BADCHARSET", rb"BAD [BADCHARSET")),
    "imap/search/3": said(Answer(rb'\S+ SEARCH SUBJECT "no .*', b"<tag> NO nothing found\r\n")),
    "imap/search/4": said(Answer(rb"\S+ UID SEARCH .*", replace=b"<tag> SEARCH ALL")),
    "imap/search/5": said(Answer(rb'\S+ SEARCH BODY "WALNUT"', b"* SEARCH\r\n" + OK)),
    "imap/search/6": said(Change(rb"\* SEARCH 1\r\n", b"* SEARCH 1 3\r\n")),
    "imap/esearch/1": said(Change(rb"COUNT 0", rb"MIN 0 COUNT 0")),
    "imap/esearch/2": said(Change(rb"\) UID ALL", rb") ALL")),
    "imap/esearch/3": said(Change(rb"\) ALL 2:3", rb") COUNT 2")),
    "imap/esearch/4": said(Change(rb"MODSEQ (\d+)\r\n", rb"MODSEQ 9\1\r\n")),
    "imap/searchres/1": saving(SAVE, fetching(b"1:3")),
    "imap/searchres/2": saving(SAVE_MIN, fetching(b"2:3")),
    "imap/searchres/3": saving(SAVE, Answer(EMPTY, b"<tag> BAD there is no saved result\r\n")),
}
