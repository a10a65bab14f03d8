"""For every LMTP case a server that breaks just its requirement."""

from __future__ import annotations

from . import smtp_faults as faults
from .smtp_mutants import GO_AHEAD, OK, answered, changed
from .smtp_server import Mutant

TWO_STORED = rb"(250 2\.0\.0 stored\r\n){2}"

MUTANTS: dict[str, Mutant] = {
    "lmtp/lhlo/1": answered(rb"EHLO .*", b"250 mail.example.org\r\n"),
    "lmtp/lhlo/2": changed(rb"-SIZE ", rb"-SIZE  "),
    "lmtp/lhlo/3": answered(rb"LHLO .*", b"250 mail.example.org\r\n", after=1),
    "lmtp/ext/1": Mutant(extensions={b"PIPELINING": None}),
    "lmtp/esc/1": changed(rb"250 2\.0\.0 stored", b"250 stored"),
    "lmtp/port/1": Mutant(port25=True),
    "lmtp/tls/1": Mutant(machine=faults.KeepsEhlo),
    "lmtp/tls/2": Mutant(machine=faults.ObeysWhatCameInTheClear),
    "lmtp/data/1": changed(rb"(250 2\.0\.0 stored\r\n)(552 [^\r]*\r\n)", rb"\2\1"),
    "lmtp/data/2": answered(rb"DATA", GO_AHEAD),
    "lmtp/data/3": changed(TWO_STORED, rb"\1"),
    "lmtp/data/4": Mutant(service=faults.AllOrNobody),
    "lmtp/data/5": Mutant(machine=faults.ForgetsWhatFollowsTheText),
    "lmtp/data/6": Mutant(service=faults.KeepsPartialTexts),
    "lmtp/data/7": answered(rb"RCPT .*", OK, after=1),
    "lmtp/bdat/1": changed(TWO_STORED, rb"\1"),
    "lmtp/bdat/2": Mutant(machine=faults.ForgetsWhatFollowsAChunk),
    "lmtp/bdat/3": changed(TWO_STORED, rb"\1"),
    "lmtp/bdat/4": Mutant(machine=faults.RefusesChunksForNobody),
}
MORE_MUTANTS: list[tuple[str, Mutant]] = [
    ("lmtp/data/1", changed(rb"552 5\.2\.2 [^\r]*\r\n", b"")),
    ("lmtp/data/1", changed(rb"(552 5\.2\.2 [^\r]*\r\n)", rb"\1\1")),
    ("lmtp/bdat/1", changed(TWO_STORED, rb"\1\1\1")),
    ("lmtp/ext/1", Mutant(extensions={b"8BITMIME": None})),
]
"""Other ways to break a requirement that has several parts."""
