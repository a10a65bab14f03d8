"""For every IMAP case about APPEND and literals a server that breaks just its requirement."""

from __future__ import annotations

from mailhaul.servers.imap import ALL_CAPABILITIES

from . import imap_append_services as services
from .imap_mailbox_services import CreatesTarget, service_with
from .imap_server import Mutant, said
from .interposed import Answer, Change

LITERAL_MINUS = (*(name for name in ALL_CAPABILITIES if name != b"LITERAL+"), b"LITERAL-")

CLEAN: dict[str, Mutant] = {
    name: Mutant(machine=services.LiteralMinus, capabilities=LITERAL_MINUS)
    for name in ("imap/literal/3", "imap/literal/5")
}
MUTANTS: dict[str, Mutant] = {
    "imap/append/1": said(Change(rb"1996 02:44:25 -0700", rb"1996 02:44:25 +0000")),
    "imap/append/2": Mutant(service=service_with(CreatesTarget)),
    "imap/append/3": Mutant(service=services.AppendsSilently),
    "imap/append/4": Mutant(service=services.KeepsHalf),
    "imap/append/5": said(Answer(rb"INJECTED NOOP", b"INJECTED OK done\r\n")),
    "imap/append/6": said(Answer(rb'\S+ APPEND .*" 7-Jul.*', b"<tag> BAD no date\r\n")),
    "imap/literal/1": said(Answer(rb"\S+ LIST \{0\}", b"<tag> BAD nothing\r\n")),
    "imap/literal/2": Mutant(machine=services.AsksForLiteralPlus),
    "imap/literal/3": Mutant(capabilities=LITERAL_MINUS),
    "imap/literal/4": Mutant(machine=services.ReadsRefusedLiteralAsCommands),
    "imap/literal/5": Mutant(machine=services.LiteralMinusWithoutCode, capabilities=LITERAL_MINUS),
    "imap/literal/6": Mutant(capabilities=(*ALL_CAPABILITIES, b"LITERAL-")),
    "imap/literal/7": said(Answer(rb"\S+ STATUS conformance.*", b"<tag> BAD no quotes\r\n")),
    "imap/literal/8": said(Change(rb'a \\"quote\\"', rb"a quote")),
}
