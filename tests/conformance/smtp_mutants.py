"""For every SMTP case a server that breaks just its requirement."""

from __future__ import annotations

from mailhaul.conformance.smtp.data import OLD_TRACE
from mailhaul.protocols.smtp.commands import Bdat, EndOfData, Rcpt

from . import smtp_faults as faults
from .interposed import Answer, Change
from .smtp_faults import ends_at, on
from .smtp_server import TRACE, UNKNOWN, Mutant, said

OK = b"250 2.0.0 ok\r\n"
GO_AHEAD = b"354 go ahead\r\n"
NO_SYNTAX = b"501 5.5.4 wrong argument\r\n"
NO_ORDER = b"503 5.5.1 out of order\r\n"
NO_PARAMETER = b"555 5.5.4 unknown parameter\r\n"
NO = b"550 5.7.1 no\r\n"


def answered(line: bytes, reply: bytes, *, after: int = 0) -> Mutant:
    """Return a mutant that answers some lines by itself."""
    return said(Answer(line, reply, after=after))


def changed(pattern: bytes, replacement: bytes) -> Mutant:
    """Return a mutant that says something else."""
    return said(Change(pattern, replacement))


def seven_bits(text: bytes) -> bytes:
    return bytes(octet & 0x7F for octet in text)


def wrapped_lines(text: bytes) -> bytes:
    return text.replace(b"x" * 998, b"x" * 990 + b"\r\n" + b"x" * 8)


def unstuffed_twice(text: bytes) -> bytes:
    return text.replace(b"\r\n.", b"\r\n")


GREETING = {
    "smtp/greet/1": changed(rb"^220 mail", rb"250 mail"),
    "smtp/greet/2": changed(rb"^220 mail", rb"220 *** mail"),
    "smtp/reply/1": answered(rb"NOOP", OK + OK),
    "smtp/reply/2": answered(rb"XMHTEST.*", b"500 5.5.2 %b\r\n" % (b"x" * 510)),
    "smtp/reply/3": changed(rb"2\.0\.0 ok\r\n", b"2.0.0 ok\n"),
    "smtp/esc/1": changed(rb"503 5\.5\.1 ", rb"503 "),
    "smtp/esc/2": changed(rb"214 2\.0\.0 ", rb"214 "),
    "smtp/ehlo/1": changed(rb"-SIZE ", rb"-SIZE  "),
    "smtp/ehlo/2": answered(rb"HELO .*", b"250-mail.example.org\r\n250 PIPELINING\r\n"),
    "smtp/ehlo/3": answered(rb"EHLO .*", b"250 mail.example.org\r\n", after=1),
    "smtp/ehlo/4": Mutant(policy=faults.suspicious_of_names),
    "smtp/ehlo/5": answered(rb"EHLO \[127.*", NO_SYNTAX),
    "smtp/ehlo/6": answered(rb"EHLO \[IPv6.*", NO_SYNTAX),
    "smtp/ehlo/7": answered(rb"EHLO", b"250 mail.example.org\r\n"),
    "smtp/ehlo/8": answered(rb"HELO .*", b"502 5.5.1 EHLO is needed\r\n"),
    "smtp/case/1": answered(rb"(?-i:mAiL fRoM:.*)", b"500 5.5.2 unknown command\r\n"),
}

LINES = {
    "smtp/syntax/1": answered(rb"RSET ", NO_SYNTAX),
    "smtp/syntax/2": answered(rb"XMHTEST", OK),
    "smtp/syntax/3": answered(rb"MAIL TO:.*", OK),
    "smtp/syntax/4": answered(rb"RCPT TO:<joe@example.org>", NO_ORDER, after=1),
    "smtp/syntax/5": said(Answer(rb"RSET now", replace=b"RSET")),
    "smtp/syntax/6": answered(rb"NOOP x+", b"500 5.5.2 too long\r\n" * 2),
    "smtp/data/4": Mutant(machine=faults.breaks_lines_at(b"\r")),
    "smtp/limit/1": answered(rb"RCPT TO:<x{64}@.*", NO_SYNTAX),
    "smtp/limit/2": answered(rb"NOOP x{100,}", b"500 5.5.2 too long\r\n"),
    "smtp/limit/3": Mutant(kept=wrapped_lines),
    "smtp/limit/4": answered(rb"RCPT TO:<user@d.*", NO_SYNTAX),
    "smtp/limit/5": Mutant(policy=on(EndOfData, 552, b"5.3.4 too large")),
}

ENVELOPE = {
    "smtp/mail/1": answered(rb"MAIL .*", OK),
    "smtp/mail/2": answered(rb"MAIL .*", OK, after=1),
    "smtp/mail/3": answered(rb"MAIL FROM:<>", NO),
    "smtp/mail/4": answered(rb"MAIL .*XMHTEST.*", OK),
    "smtp/rcpt/1": answered(rb"RCPT .*", OK),
    "smtp/rcpt/2": answered(rb"(?-i:RCPT TO:<POSTMASTER>)", NO),
    "smtp/rcpt/3": answered(rb"RCPT TO:<@.*", NO_SYNTAX),
    "smtp/rcpt/4": Mutant(most=50),
    "smtp/rcpt/5": Mutant(policy=on(Rcpt, 552, b"5.5.3 too many", after=120)),
    "smtp/rcpt/6": answered(rb'RCPT TO:<"a b.*', NO_SYNTAX),
    "smtp/rcpt/7": answered(rb'RCPT TO:<"a>.*', NO_SYNTAX),
    "smtp/rcpt/8": answered(rb"RCPT TO:<>", OK),
    "smtp/rcpt/9": answered(rb"RCPT .*XMHTEST.*", OK),
    "smtp/rcpt/10": answered(rb"RCPT TO:<postmaster@.*", NO),
    "smtp/rcpt/11": answered(rb"RCPT TO:<joe.*", NO_ORDER),
}

DATA = {
    "smtp/data/1": said(Answer(rb"DATA", GO_AHEAD), Answer(rb"\.", OK)),
    "smtp/data/2": Mutant(kept=unstuffed_twice),
    "smtp/data/3": Mutant(machine=ends_at(b"\n.\n")),
    "smtp/data/5": Mutant(trace=b""),
    "smtp/data/6": answered(rb"RCPT .*", OK, after=1),
    "smtp/data/7": changed(rb"^250 2\.0\.0 accepted\r\n", OK + NO_ORDER),
    "smtp/data/8": Mutant(machine=ends_at(b"\r\nNOOP", b".\r\nNOOP")),
    "smtp/data/9": Mutant(service=faults.MergesTexts),
    "smtp/trace/1": Mutant(trace=TRACE.replace(b";", b"")),
    "smtp/trace/2": Mutant(trace=TRACE.partition(b"\r\n")[2]),
    "smtp/loop/1": Mutant(policy=on(EndOfData, 554, b"5.4.6 too many hops")),
    "smtp/quit/2": Mutant(service=faults.KeepsPartialTexts),
    "smtp/smuggle/1": Mutant(machine=ends_at(b"\r\n.\n")),
    "smtp/smuggle/2": Mutant(machine=ends_at(b"\r.\r")),
    "smtp/smuggle/3": Mutant(machine=ends_at(b"\r\n.\rN", b"\r\n.\r\nN")),
    "smtp/smuggle/4": Mutant(machine=faults.DropsNul),
    "smtp/smuggle/5": Mutant(machine=ends_at(b"\r\n. \r\n")),
    "smtp/smuggle/6": Mutant(machine=ends_at(b"\r\n..\r\n")),
    "smtp/smuggle/7": Mutant(machine=faults.UnstuffsAfterLineFeeds),
    "smtp/smuggle/8": Mutant(machine=faults.MissesSplitEnds),
}

COMMANDS = {
    "smtp/rset/1": answered(rb"RSET", OK),
    "smtp/rset/2": answered(rb"RSET", NO_ORDER),
    "smtp/noop/1": answered(rb"NOOP .+", NO_SYNTAX),
    "smtp/noop/2": answered(rb"HELP", NO_ORDER),
    "smtp/noop/3": said(Answer(rb"NOOP", replace=b"RSET")),
    "smtp/vrfy/1": answered(rb"VRFY .*", b"250 2.1.5 <nobody@example.org>\r\n"),
    "smtp/help/1": answered(rb"HELP", b"502 5.5.1 not here\r\n"),
    "smtp/quit/1": answered(rb"QUIT", OK),
    "smtp/quit/3": answered(rb"QUIT", NO_ORDER),
    "smtp/idle/1": Mutant(options={"patience": 60.0}),
}

PIPELINING = {
    "smtp/pipe/1": Mutant(policy=on(Rcpt, 250, where=lambda rcpt: rcpt.recipient == UNKNOWN)),
    "smtp/pipe/2": Mutant(machine=faults.ForgetsWhatFollowsTheText),
    "smtp/pipe/3": Mutant(machine=faults.TakesDataWithoutRecipients),
    "smtp/pipe/4": Mutant(machine=faults.WaitsForData),
    "smtp/pipe/5": Mutant(machine=faults.LosesLongGroups),
    "smtp/pipe/6": Mutant(machine=faults.TakesSegmentsForLines),
    "smtp/pipe/7": Mutant(machine=faults.TakesRecipientsWithoutMail),
}

EXTENSIONS = {
    "smtp/size/1": answered(rb"MAIL .*SIZE=100001", OK),
    "smtp/size/2": Mutant(extensions={b"SIZE": b"lots"}),
    "smtp/size/3": Mutant(machine=faults.BelievesTheSize),
    "smtp/size/4": answered(rb"MAIL .*SIZE=many", OK),
    "smtp/size/5": Mutant(machine=faults.StopsAtTheLimit),
    "smtp/size/6": answered(rb"MAIL .*SIZE=100000", b"552 5.3.4 too large\r\n"),
    "smtp/8bit/1": Mutant(kept=seven_bits),
    "smtp/8bit/2": answered(rb"MAIL .*BODY=XMHTEST", OK),
    "smtp/chunk/1": Mutant(kept=unstuffed_twice),
    "smtp/chunk/2": answered(rb"DATA", GO_AHEAD),
    "smtp/chunk/3": answered(rb"DATA", b"502 5.5.1 BDAT is needed\r\n"),
    "smtp/chunk/4": answered(rb"DATA", GO_AHEAD),
    "smtp/chunk/5": answered(rb"BDAT 6 LAST", NO_ORDER),
    "smtp/chunk/6": answered(rb"\.", OK),
    "smtp/chunk/7": Mutant(service=faults.MergesTexts),
    "smtp/chunk/8": Mutant(machine=faults.ForgetsWhatFollowsAChunk),
    "smtp/chunk/9": answered(rb"BDAT x", OK),
    "smtp/chunk/10": Mutant(kept=lambda text: text.replace(b"\0", b"\x80")),
    "smtp/dsn/1": answered(rb"RCPT .*NOTIFY=NEVER", NO_PARAMETER),
    "smtp/dsn/2": answered(rb"RCPT .*NOTIFY=NEVER,.*", OK),
    "smtp/dsn/3": answered(rb"MAIL .*ENVID=.*", NO_PARAMETER),
    "smtp/dsn/4": answered(rb"MAIL .*RET=SOME", OK),
    "smtp/dsn/5": answered(rb"RCPT .*ORCPT=\S{500}", NO_SYNTAX),
    "smtp/utf8/1": answered(rb"RCPT TO:<gr.*", NO_SYNTAX),
    "smtp/utf8/2": answered(rb"RCPT TO:<gr.*", OK),
    "smtp/utf8/3": Mutant(extensions={b"8BITMIME": None}),
    "smtp/utf8/4": answered(rb"MAIL .*SMTPUTF8=yes", OK),
    "smtp/utf8/5": Mutant(kept=seven_bits),
}

SECURITY = {
    "smtp/tls/1": Mutant(machine=faults.KeepsEhlo),
    "smtp/tls/2": Mutant(machine=faults.OffersTlsAgain),
    "smtp/tls/3": Mutant(machine=faults.ObeysWhatCameInTheClear),
    "smtp/tls/4": said(Answer(rb"STARTTLS now", replace=b"STARTTLS")),
    "smtp/tls/5": Mutant(wrapped=True, talks_in_clear=True),
    "smtp/tls/6": Mutant(talks_in_clear=True),
    "smtp/tls/7": Mutant(machine=faults.KeepsLogin),
    "smtp/auth/1": changed(rb"235 ", rb"250 "),
    "smtp/auth/2": answered(rb"AUTH PLAIN \S+", b"235 2.7.0 again\r\n", after=1),
    "smtp/auth/3": answered(rb"\*", b"535 5.7.8 wrong\r\n"),
    "smtp/auth/4": Mutant(policy=faults.closing_at_the_third_login),
    "smtp/auth/5": answered(rb"MAIL .*AUTH=<>", NO_PARAMETER),
    "smtp/auth/6": Mutant((Change(rb"530 5\.7\.0", rb"550 5.7.1"),), login_first=True),
    "smtp/auth/7": changed(rb"504 5\.5\.4", b"250 2.0.0"),
    "smtp/auth/8": said(Answer(rb"AUTH PLAIN =", replace=b"AUTH PLAIN")),
    "smtp/auth/9": answered(rb"AUTH PLAIN \S+", NO_ORDER, after=1),
    "smtp/auth/10": answered(rb"[A-Za-z0-9+/=]{5000,}", b"500 5.5.6 too long\r\n"),
    "smtp/auth/11": answered(rb"AUTH CRAM-MD5 .*", b"334 PDFAeD4=\r\n"),
    "smtp/auth/12": answered(rb"(?-i:AUTH plain .*)", b"504 5.5.4 unknown mechanism\r\n"),
}

MUTANTS: dict[str, Mutant] = {
    **GREETING,
    **LINES,
    **ENVELOPE,
    **DATA,
    **COMMANDS,
    **PIPELINING,
    **EXTENSIONS,
    **SECURITY,
}

MORE_MUTANTS: list[tuple[str, Mutant]] = [
    ("smtp/greet/1", changed(rb"^220 mail", rb"554 mail")),
    ("smtp/reply/1", changed(rb"214-", rb"211-")),
    ("smtp/reply/3", changed(rb"2\.0\.0 ok", "2.0.0 für dich".encode())),
    ("smtp/esc/1", changed(rb"250 2\.0\.0 ok", b"250 5.0.0 ok")),
    ("smtp/esc/2", changed(rb"214-2\.0\.0 RFC 5321\r\n214 2\.0\.0 ", b"214-2.0.0 RFC\r\n214 ")),
    ("smtp/ehlo/1", changed(rb"250-SIZE", b"250-AUTH=PLAIN\r\n250-SIZE")),
    ("smtp/syntax/2", answered(rb"XMHTEST", b"502 5.5.1 not implemented\r\n")),
    ("smtp/syntax/3", answered(rb"MAIL FROM:<eve@example.org", OK)),
    ("smtp/data/1", said(Answer(rb"DATA", b"550 5.5.1 no\r\n"))),
    ("smtp/data/3", Mutant(machine=ends_at(b"e\n.\r\n", b"e\r\n.\r\n"))),
    ("smtp/data/3", Mutant(machine=ends_at(b"e\r.\r\n", b"e\r\n.\r\n"))),
    ("smtp/data/4", Mutant(machine=faults.breaks_lines_at(b"\n"))),
    ("smtp/data/5", Mutant(kept=lambda text: text.replace(OLD_TRACE, b""))),
    ("smtp/smuggle/2", Mutant(machine=ends_at(b"\r.\n"))),
    ("smtp/smuggle/2", Mutant(machine=ends_at(b"\n.\rN", b"\r\n.\r\nN"))),
    ("smtp/smuggle/3", Mutant(machine=ends_at(b"\r\n.\r\r\n"))),
    ("smtp/smuggle/5", Mutant(machine=ends_at(b"\r\n .\r\n"))),
    ("smtp/smuggle/5", Mutant(machine=ends_at(b"\r\n.\t\r\n"))),
    ("smtp/quit/1", answered(rb"QUIT", b"221 2.0.0 bye\r\n")),
    ("smtp/chunk/1", Mutant(policy=on(Bdat, 503, b"5.5.1 empty", where=lambda b: not b.size))),
    ("smtp/tls/2", answered(rb"STARTTLS", b"220 2.0.0 go ahead\r\n", after=1)),
    ("smtp/auth/1", changed(rb"334 \r\n", b"334 go ahead\r\n")),
    ("smtp/auth/2", Mutant(machine=faults.TakesAuthInTransactions)),
    ("smtp/auth/3", answered(rb"=AAA", b"235 2.7.0 welcome\r\n")),
    ("smtp/auth/4", changed(rb"535 ", b"550 ")),
    ("smtp/utf8/2", answered(rb"MAIL FROM:<gr.*", NO_SYNTAX)),
    ("smtp/utf8/3", Mutant(extensions={b"SMTPUTF8": b"yes"})),
]
"""Other ways to break a requirement that has several parts."""
