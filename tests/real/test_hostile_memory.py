"""The command against peers that flood it: every run ends soon, in little memory, and no mail is
lost.

tests/flows/hostile has such peers in virtual time; here they are real ones, on loopback sockets
and in pipes. ``pytest -rA`` shows the peak of each run.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from .peak import measured
from .servers.hostile import (
    HANG_UP,
    SIZE,
    TEXT,
    Script,
    counted,
    endless,
    hostile,
    imap,
    in_turn,
    many,
    pop3,
    smtp,
)

pytestmark = pytest.mark.real

SOAK = bool(os.environ.get("MAILHAUL_SOAK"))
MOST_SECONDS = 300 if SOAK else 60
MOST_MEGABYTES = 96
MOST_WORDS = 64 * 1024
"""Octets that a run may write on standard error."""
FAULTS = frozenset({2, 3, 4, 6, 7, 10, 14})
"""fetchmail's codes for a source or a sink that failed."""
FINE = FAULTS | {0, 1}
"""The same, and those of a poll that a flood has not kept from its mail."""

ACCOUNT = "user joe password sesame sslproto ''"
LINE = b"x" * 70 + b"\r\n"
REPLY = b"250-" + LINE
SMTP = "smtphost localhost/SINK"


@dataclass(frozen=True)
class Case:
    """Hostile peers and the options that lead to them.

    ``source`` and ``sink`` are scripts; a source that is not named is a good one. ``delivered``
    messages at most may arrive, at a maildir or at a listener that accepts them in the end, in all
    of the ``polls``.
    """

    source: Script | None = None
    sink: Script | None = None
    protocol: str = "POP3"
    options: str = "maildir Mail"
    codes: frozenset[int] = FAULTS
    delivered: int = 0
    polls: int = 1


def from_imap(script: Script, options: str = "maildir Mail", delivered: int = 0) -> Case:
    return Case(script, None, "IMAP", options, FINE if delivered else FAULTS, delivered)


def into(script: Script, options: str = SMTP, protocol: str = "POP3", delivered: int = 0) -> Case:
    codes = FINE if delivered else FAULTS
    return Case(None, script, protocol, options, codes, delivered)


def with_ids(line: bytes) -> Script:
    """A maildrop whose unique ids do not end."""
    return pop3(uidl=counted(b"+OK\r\n", line))


def with_texts(line: bytes) -> Script:
    """A maildrop whose messages do not end."""
    text = endless(b"+OK\r\n" + TEXT, line)
    return pop3(top=text, retr=text)


def with_header(before: bytes, text: bytes) -> Script:
    """A maildrop whose messages are a header without end."""
    return pop3(top=endless(b"+OK\r\n" + before, text))


def with_list(numbers: range, ids: bytes, sizes: bytes) -> Script:
    """A maildrop of many messages."""
    return pop3(
        stat=b"+OK %d %d\r\n" % (len(numbers), 100 * len(numbers)),
        uidl=many(b"+OK\r\n", ids, numbers, b".\r\n"),
        list=many(b"+OK\r\n", sizes, numbers, b".\r\n"),
    )


MOST_LISTED = range(1, 1_400_000)
POP3 = {
    "greeting without line end": Case(pop3(greeting=endless(b"+OK ", b"x"))),
    "greetings": Case(pop3(greeting=endless(b"", b"+OK hello\r\n"))),
    "silence": Case(pop3(greeting=b"")),
    "CAPA": Case(pop3(capa=endless(b"+OK\r\n", b"X\r\n"))),
    "CAPA in one line": Case(pop3(capa=endless(b"+OK\r\n", b"X "))),
    "text after -ERR": Case(pop3(stat=endless(b"-ERR ", b"x"))),
    "lines after -ERR": Case(pop3(stat=endless(b"", b"-ERR no\r\n"))),
    "LIST": Case(pop3(list=counted(b"+OK\r\n", b"%d 100\r\n"))),
    "LIST of one message": Case(pop3(list=endless(b"+OK\r\n", b"1 100\r\n"))),
    # That is no fault: there is mail, and none of it is wanted.
    "LIST of large messages": Case(
        with_list(MOST_LISTED, b"%d id-%d\r\n", b"%d 999\r\n"),
        options="maildir Mail limit 100",
        codes=FINE,
    ),
    "LIST in disorder": Case(
        with_list(range(1_400_000, 1, -1), b"%d id-%d\r\n", b"%d 999\r\n"),
    ),
    "UIDL": Case(with_ids(b"%d " + b"x" * 60 + b"%d\r\n")),
    "UIDL of ids too long": Case(with_ids(b"%d " + b"x" * 1000 + b"%d\r\n")),
    "UIDL of short ids": Case(with_ids(b"%d %d\r\n")),
    "UIDL of one id": Case(with_list(MOST_LISTED, b"%d same\r\n", b"%d 99\r\n")),
    "UIDL in one line": Case(pop3(uidl=endless(b"+OK\r\n", b"x"))),
    "TOP": Case(with_texts(LINE)),
    "TOP in one line": Case(with_texts(b"x")),
    "TOP of empty lines": Case(with_texts(b"\r\n")),
    "RETR": Case(with_texts(LINE), options="maildir Mail fetchall no keep"),
    "header of one line": Case(with_header(b"Subject: ", b"x")),
    "header of Received": Case(with_header(b"", b"Received: from a by b; today\r\n")),
    "header of To": Case(with_header(b"", b"To: ann@example.org, joe\r\n")),
    "header of one folded To": Case(with_header(b"To: joe", b",\r\n ann@example.org")),
    "header of a multidrop": Case(
        with_header(b"", b"Delivered-To: joe@example.org\r\nTo: a, b\r\n"),
        options="to * here maildir Mail",
    ),
    "challenges": Case(
        pop3(capa=b"+OK\r\nSASL CRAM-MD5 PLAIN\r\n.\r\n", auth=endless(b"", b"+ eHh4\r\n"))
    ),
    "a challenge": Case(
        pop3(capa=b"+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n", auth=endless(b"+ ", b"eHh4"))
    ),
}

ASKED = b"* 1 FETCH (UID 7 RFC822.SIZE %d BODY[] {%d}\r\n"
PLAIN_GREETING = b"* OK hello\r\n"
OPENED = b"* %s EXISTS\r\n* OK [UIDVALIDITY 1] x\r\nTAG OK [READ-WRITE] x\r\n"
FIELDS = b"BODY[HEADER.FIELDS (MESSAGE-ID DATE FROM)]"
LARGER = imap(
    sizes=b"* 1 FETCH (UID 7 RFC822.SIZE 999 FLAGS ())\r\nTAG OK\r\n",
    headers=counted(b"", b"* 1 FETCH (UID %d " + FIELDS + b" {60000}\r\n%b)\r\n" % (b"x" * 60000)),
)
IMAP = {
    "greeting without line end": from_imap(imap(greeting=endless(b"* OK ", b"x"))),
    "CAPABILITY": from_imap(
        imap(greeting=PLAIN_GREETING, capability=counted(b"", b"* CAPABILITY X%d\r\n"))
    ),
    "CAPABILITY in one line": from_imap(
        imap(greeting=PLAIN_GREETING, capability=endless(b"* CAPABILITY", b" X"))
    ),
    "remarks": from_imap(imap(login=endless(b"", b"* OK " + LINE))),
    "alerts": from_imap(imap(login=counted(b"", b"* OK [ALERT] number %d\r\n"))),
    "challenges": from_imap(imap(b" AUTH=CRAM-MD5", authenticate=endless(b"", b"+ eHh4\r\n"))),
    "LIST": from_imap(imap(list=counted(b"", b"* LIST () NIL f%d\r\n")), "folder * maildir Mail"),
    "LIST of many folders": from_imap(
        imap(list=many(b"", b"* LIST () NIL f%d\r\n", range(700_000), b""), select=HANG_UP),
        "folder * maildir Mail",
    ),
    "EXISTS": from_imap(imap(select=counted(b"", b"* %d EXISTS\r\n"))),
    "EXISTS of 20 digits": from_imap(imap(select=OPENED % (b"9" * 20), search=b"TAG NO\r\n")),
    "EXISTS of 32 bits": from_imap(imap(select=OPENED % b"4294967295", search=b"TAG NO\r\n")),
    "FETCH unasked": from_imap(imap(search=counted(b"", b"* %d FETCH (UID %d RFC822.SIZE 1)\r\n"))),
    "FETCH of flags": from_imap(
        imap(
            select=OPENED % b"999999",
            search=b"TAG NO\r\n",
            sizes=many(b"", b"* 1 FETCH (UID %d)\r\n", range(800_000, 1, -1), b""),
        ),
    ),
    "SEARCH": from_imap(imap(search=counted(b"", b"* SEARCH %d\r\n"))),
    "SEARCH in one line": from_imap(imap(search=counted(b"* SEARCH", b" %d"))),
    "SEARCH of millions": from_imap(
        imap(search=many(b"* SEARCH", b" %d", range(1, 2_000_000), b"\r\n"), sizes=HANG_UP)
    ),
    "SEARCH of millions in disorder": from_imap(
        imap(search=many(b"* SEARCH", b" %d", range(2_000_000, 1, -1), b"\r\n"), sizes=HANG_UP)
    ),
    "SEARCH of one message": from_imap(
        imap(search=many(b"* SEARCH", b" 7", range(8_000_000), b"\r\n")), delivered=1
    ),
    "ESEARCH": from_imap(imap(search=counted(b"* ESEARCH UID ALL ", b"%d,"))),
    "ESEARCH of words": from_imap(
        imap(search=many(b"* ESEARCH UID", b" a", range(8_000_000), b"\r\n")), delivered=1
    ),
    "literal of 2^40": from_imap(imap(search=endless(b"* LIST () NIL {%d}\r\n" % 2**40, LINE))),
    "literal of 2^63": from_imap(imap(sizes=endless(b"* 1 FETCH (X {%d}\r\n" % 2**63, LINE))),
    "text of 2^40": from_imap(imap(text=endless(ASKED % (SIZE, 2**40) + TEXT, LINE))),
    "text of 2^63": from_imap(imap(text=endless(ASKED % (SIZE, 2**63) + TEXT, LINE))),
    "text without size": from_imap(
        imap(sizes=b"* 1 FETCH (UID 7)\r\nTAG OK\r\n", text=endless(ASKED % (0, 2**40), LINE))
    ),
    "other texts": from_imap(
        imap(text=endless(b"", b"* 2 FETCH (UID 8 BODY[] {72}\r\n" + LINE + b")\r\n"))
    ),
    "texts of one octet": from_imap(
        imap(text=endless(b"", b"* 1 FETCH (UID 7 BODY[1] {1}\r\nx)\r\n"))
    ),
    "pieces without end": from_imap(imap(text=endless(b"* 1 FETCH (UID 7", b" X {1}\r\nx"))),
    "parentheses": from_imap(imap(search=endless(b"* 1 FETCH (BODYSTRUCTURE ", b"("))),
    "pairs of parentheses": from_imap(imap(search=endless(b"* 1 FETCH (BODYSTRUCTURE (", b"()"))),
    "ENVELOPE": from_imap(
        imap(
            search=endless(
                b"", b'* 1 FETCH (ENVELOPE ("a"' + b' (NIL NIL "b" "c")' * 99 + b"))\r\n"
            )
        )
    ),
    "NAMESPACE": from_imap(imap(select=endless(b"", b'* NAMESPACE (("" "/")) NIL NIL\r\n'))),
    "STATUS": from_imap(imap(select=counted(b"", b"* STATUS f%d (MESSAGES %d)\r\n"))),
    "EXPUNGE": from_imap(imap(sizes=endless(b"", b"* 1 EXPUNGE\r\n"))),
    "VANISHED in one line": from_imap(imap(sizes=counted(b"* VANISHED ", b"%d,"))),
    "headers": Case(
        in_turn(imap(), LARGER),
        protocol="IMAP",
        options="keep fetchread maildir Mail",
        delivered=1,
        polls=2,
    ),
}

NOTHING = b"TAG OK\r\n"
AUTH = b"250-sink\r\n250 AUTH CRAM-MD5 PLAIN\r\n"
LMTP = "lmtp smtphost localhost/SINK"
LOGIN = "POP3 esmtpname joe esmtppassword sesame"
APPEND = "append 'imap://joe@localhost:SINK/Mail' appendpassword sesame"
LISTENERS = {
    "greeting": into(smtp(greeting=endless(b"", b"220-hello\r\n"))),
    "greeting without line end": into(smtp(greeting=endless(b"220 ", b"x"))),
    # HELO is said to it next, which it answers well.
    "EHLO": into(smtp(ehlo=endless(b"", REPLY)), delivered=2),
    "EHLO without line end": into(smtp(ehlo=endless(b"250 ", b"x")), delivered=2),
    "challenges": into(
        smtp(ehlo=AUTH, auth=endless(b"", b"334 eHh4\r\n")), "smtphost localhost/SINK", LOGIN
    ),
    "MAIL": into(smtp(mail=endless(b"", REPLY))),
    "RCPT": into(smtp(rcpt=endless(b"", b"550-" + LINE))),
    "DATA": into(smtp(data=endless(b"", b"354-" + LINE))),
    "final dot": into(smtp(dot=endless(b"", REPLY))),
    "final dot without line end": into(smtp(dot=endless(b"250 ", b"x"))),
    "refusal at the final dot": into(smtp(dot=endless(b"550-", b"x"))),
    "LMTP: LHLO": into(smtp(lhlo=endless(b"", REPLY)), LMTP),
    "LMTP: RCPT": into(smtp(rcpt=endless(b"", REPLY)), LMTP),
    "LMTP: final dot": into(smtp(dot=endless(b"", REPLY)), LMTP),
    "APPEND: greeting": into(imap(greeting=endless(b"* OK ", b"x")), APPEND),
    "APPEND: remarks": into(imap(append=endless(b"", b"* OK " + LINE), search=NOTHING), APPEND),
    "APPEND: search after a cut": into(
        imap(
            append=HANG_UP,
            search=many(b"* SEARCH", b" %d", range(2_000_000), b"\r\n"),
            text=NOTHING,
        ),
        APPEND,
    ),
    "APPEND: sizes after a cut": into(
        imap(append=HANG_UP, search=b"TAG NO\r\n", sizes=counted(b"", b"* 1 FETCH (UID %d)\r\n")),
        APPEND,
    ),
}

PROGRAMS = {
    "MDA that talks": Case(options="mda 'yes | head -c 99000000; exit 75'"),
    "MDA that complains": Case(options="mda 'yes | head -c 99000000 >&2; exit 75'"),
    "passwordeval": Case(options="passwordeval yes maildir Mail"),
    "passwordeval in one line": Case(
        options="passwordeval 'head -c 999999999 /dev/zero' maildir Mail"
    ),
    "plugin that talks": Case(options="maildir Mail", protocol="POP3 plugin yes"),
    "plugin that complains": Case(
        options="maildir Mail", protocol="POP3 plugin \"sh -c 'yes >&2'\""
    ),
}
LINES = ("", " of one message", " of large messages", " in disorder")
SLOW = {
    *(f"POP3: LIST{which}" for which in LINES),
    *("POP3: UIDL", "POP3: UIDL of short ids", "POP3: UIDL of one id"),
    *(f"IMAP: {name}" for name in ("CAPABILITY", "alerts", "EXISTS", "FETCH unasked", "SEARCH")),
    *(f"IMAP: SEARCH of {what}" for what in ("millions", "millions in disorder", "one message")),
    *(f"IMAP: {name}" for name in ("EXPUNGE", "NAMESPACE", "STATUS", "FETCH of flags")),
    *(f"to: APPEND: {what} after a cut" for what in ("search", "sizes")),
    *("IMAP: texts of one octet", "IMAP: other texts"),
    *("program: passwordeval", "program: MDA that talks", "program: MDA that complains"),
}
"""Cases that are left out of a short run: a million lines, or a minute of patience."""
CASES = {
    f"{kind}: {name}": case
    for kind, cases in {"POP3": POP3, "IMAP": IMAP, "to": LISTENERS, "program": PROGRAMS}.items()
    for name, case in cases.items()
    if SOAK or f"{kind}: {name}" not in SLOW
}


def rc_of(case: Case, source: int, sink: int) -> str:
    account = ACCOUNT.replace("password sesame ", "") if "passwordeval" in case.options else ACCOUNT
    return (
        "set invisible\n"
        f"poll localhost no dns protocol {case.protocol} port {source} timeout 3\n"
        f"  {account} {case.options.replace('SINK', str(sink))}\n"
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_flood_ends_in_little_memory(case: Case, tmp_path: Path) -> None:
    with ExitStack() as stack:
        source = stack.enter_context(hostile(case.source or pop3()))
        sink = stack.enter_context(hostile(case.sink or smtp()))
        rc = rc_of(case, source.port, sink.port)
        start = time.monotonic()
        for _ in range(case.polls):
            run = measured(rc, tmp_path, MOST_SECONDS)
        seconds = time.monotonic() - start
    peak, sent = run.memory / 2**20, (source.sent + sink.sent) / 2**20
    print(f"peak {peak:.1f} MB, {seconds:.1f} s, {sent:.0f} MB sent, code {run.code}")
    print(run.err[:200])
    assert run.code in case.codes, run
    assert "Traceback" not in run.err
    assert len(run.err) < MOST_WORDS
    assert peak < MOST_MEGABYTES
    assert len(list(tmp_path.glob("Mail/new/*"))) <= case.delivered
    if not case.delivered:
        assert not source.was_asked_to_delete, source.heard
