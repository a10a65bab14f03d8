"""For every IMAP case about mailboxes a server that breaks just its requirement."""

from __future__ import annotations

from mailhaul.servers.imap import ALL_CAPABILITIES

from . import imap_mailbox_services as services
from . import imap_utf8_services as utf8
from .imap_mailbox_services import service_with
from .imap_server import Factory, Mutant, said
from .interposed import Answer, Change


def with_utf8(service: Factory) -> Mutant:
    """Return a server that announces UTF8=ACCEPT."""
    return Mutant(service=service, capabilities=(*ALL_CAPABILITIES, b"UTF8=ACCEPT"))


CLEAN: dict[str, Mutant] = {f"imap/utf8/{n}": with_utf8(utf8.Utf8Service) for n in range(1, 5)}

OPENING: dict[str, Mutant] = {
    "imap/select/1": said(Change(rb"\* OK \[UIDNEXT [^\r]*\r\n", rb"")),
    "imap/select/2": said(Answer(rb"\S+ STORE .*", b"<tag> NO read-only\r\n")),
    "imap/select/3": said(Answer(rb"\S+ SELECT (?-i:inbox)", b"<tag> NO no such mailbox\r\n")),
    "imap/select/4": said(Change(rb"\* OK \[CLOSED\][^\r]*\r\n", rb"")),
    "imap/select/5": said(Answer(rb"\S+ EXAMINE .*missing.*", b"<tag> OK nothing\r\n")),
    "imap/examine/1": Mutant(service=services.ExaminesForWriting),
}
NAMES: dict[str, Mutant] = {
    "imap/create/1": said(Answer(rb"\S+ CREATE \S+/b/c\S*", b"<tag> NO no a/b\r\n", after=1)),
    "imap/create/2": said(Answer(rb'\S+ CREATE "(?-i:inbox)"', b"<tag> OK created\r\n")),
    "imap/create/3": Mutant(service=service_with(services.TakesAnyName)),
    "imap/delete/1": Mutant(service=service_with(services.DeletesChildren)),
    "imap/delete/2": Mutant(service=service_with(services.ReusesUids)),
    "imap/delete/3": said(Answer(rb"\S+ DELETE .*", b"<tag> OK deleted\r\n", after=1)),
    "imap/rename/1": Mutant(service=service_with(services.RenamesOne)),
    "imap/rename/2": Mutant(service=service_with(services.CopiesInbox)),
    "imap/rename/3": Mutant(service=service_with(services.Overwrites)),
    "imap/subs/1": Mutant(service=service_with(services.UnsubscribesDeleted)),
    "imap/status/1": Mutant(service=service_with(services.StatusSeesMessages)),
    "imap/status/2": said(Answer(rb"\S+ STATUS .*missing.*", b"<tag> OK nothing\r\n")),
    "imap/status/3": said(Change(rb"\(SIZE \d+\)", rb"(SIZE 1)")),
}
LISTS: dict[str, Mutant] = {
    "imap/list/1": said(Answer(rb'\S+ LIST "" ""', b"<tag> OK done\r\n")),
    "imap/list/2": Mutant(service=service_with(services.CrossesLevels)),
    "imap/list/3": said(Change(rb'\* LIST \([^)]*\) "/" "INBOX"\r\n', rb"")),
    "imap/list/4": Mutant(service=service_with(services.ListsPatternByPattern)),
    "imap/list/5": said(Change(rb"\\NonExistent ", rb"")),
    "imap/list/6": said(Change(rb"\\HasNoChildren", rb"\\HasChildren")),
    "imap/list/7": said(Answer(rb"\S+ LIST \(RECURSIVEMATCH\) .*", b"<tag> OK done\r\n")),
    "imap/list/8": said(Answer(rb"\S+ LIST .* RETURN \(XMHTEST\)", b"<tag> OK done\r\n")),
    "imap/list/9": said(Change(rb' \("CHILDINFO" \([^)]*\)\)', rb"")),
    "imap/list/10": said(Change(rb"(\* LIST [^\r]*\r\n)(\* STATUS [^\r]*\r\n)", rb"\2\1")),
    "imap/list/11": said(Answer(rb'\S+ LIST "" "" RETURN .*', replace=b'<tag> LIST "" ""')),
    "imap/special/1": Mutant(service=service_with(services.SelectsEveryUse)),
    "imap/special/2": Mutant(service=service_with(services.CreatesAnyway)),
    "imap/special/3": said(Change(rb" \\Drafts", rb"")),
    "imap/utf7/1": said(Change(rb"&U,BTFw-", rb"&u,btfw-")),
    "imap/utf7/2": Mutant(service=service_with(services.TakesAnyName)),
    "imap/namespace/1": said(Change(rb"(\* NAMESPACE .*) NIL\r\n", rb"\1\r\n")),
    "imap/utf8/1": with_utf8(utf8.NeverShowsUtf8),
    "imap/utf8/2": with_utf8(utf8.AlwaysShowsUtf8),
    "imap/utf8/3": with_utf8(utf8.TakesLatin1),
    "imap/utf8/4": with_utf8(utf8.TakesEveryHeader),
}
MUTANTS: dict[str, Mutant] = {**OPENING, **NAMES, **LISTS}
