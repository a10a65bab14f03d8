"""The output of the command: fetchmail's wording, without control characters."""

from __future__ import annotations

from io import BytesIO, StringIO, TextIOWrapper

import pytest

from mailhaul.apps.polls.lines import (
    MAX_BEGUN,
    MAX_OCTETS,
    Lines,
    escape,
)
from mailhaul.apps.polls.poll import AccountLines, status_line
from mailhaul.flows.account import Account
from mailhaul.flows.fate import Fate
from mailhaul.flows.outcome import ExitCode, Outcome, Verdict
from mailhaul.flows.report import (
    Counted,
    Event,
    Handled,
    LimitReached,
    Reading,
    Remark,
    Returned,
    Skipped,
)

TAKEN = Outcome(Verdict.ACCEPTED)
REFUSED = Outcome(Verdict.REFUSED, "550 no")


def printed(*events: Event, verbosity: int = 1, folders: bool = False) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    account = Account("imap kwm@server", "kwm", "server", "true.example.org")
    report = AccountLines(Lines(verbosity, out, err), account, folders, "SMTP")
    for event in events:
        report(event)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Counted("INBOX", 0, 0), "mailhaul: No mail for kwm at server\n"),
        (Counted("INBOX", 1, 0), "1 message for kwm at server.\n"),
        (Counted("INBOX", 5, 5), "5 messages (5 seen) for kwm at server.\n"),
        (
            LimitReached(3, 1),
            "mailhaul: fetchlimit 3 reached; 1 message left on server true.example.org account "
            "kwm\n",
        ),
        (
            Skipped(2, 900, "oversized", False),
            "skipping message kwm@true.example.org:2 (900 octets) (oversized) not flushed\n",
        ),
        (Skipped(2, 0, "", True), "skipping message kwm@true.example.org:2 flushed\n"),
    ],
)
def test_each_event_has_fetchmails_words(event: Event, line: str) -> None:
    assert printed(event) == (line, "")


def test_a_message_is_one_line_of_progress() -> None:
    out, err = printed(Reading(1, 5, 2944, 31), Handled(1, TAKEN, True))
    assert out == (
        "reading message kwm@true.example.org:1 of 5 (2944 header octets) (31 body octets)"
        " flushed\n"
    )
    assert err == ""


def test_each_message_has_its_own_line_if_several_are_stored_together() -> None:
    begun = [Reading(number, 3, 10, number) for number in (1, 2, 3)]
    ends = [Handled(1, TAKEN, True), Handled(2, REFUSED, False), Handled(3, TAKEN, True)]
    out, err = printed(*begun, *ends)
    assert out == "".join(
        f"reading message kwm@true.example.org:{number} of 3 (10 header octets) "
        f"({number} body octets) {fate}\n"
        for number, fate in ((1, "flushed"), (2, "not flushed"), (3, "flushed"))
    )
    assert "550 no" in err


def test_dots_belong_to_the_line_begun_last() -> None:
    out = StringIO()
    lines = Lines(1, out, out)
    lines.begin("one")
    lines.progress(".")
    lines.begin("two")
    lines.progress("..")
    assert out.getvalue() == "one."
    lines.end("one", " flushed")
    lines.progress("#")
    lines.end("two", " flushed")
    lines.begin("three")
    assert out.getvalue() == "one. flushed\ntwo..# flushed\nthree"


def test_a_line_that_never_ends_does_not_hide_those_behind_it() -> None:
    """A message that cannot be read has no verdict."""
    out = StringIO()
    lines = Lines(1, out, out)
    lines.begin("one")
    lines.begin("two")
    lines.end("two", " flushed")
    lines.begin("three")
    assert out.getvalue() == "one\ntwo flushed\nthree"


def test_a_message_that_is_read_again_is_one_line_again() -> None:
    """The connection was lost in the second message, and its poll goes on with a new one."""
    out, _ = printed(
        Counted("INBOX", 2, 0),
        Reading(1, 2, 5, 5),
        Reading(2, 2, 5, 5),
        Handled(1, TAKEN, True),
        Counted("INBOX", 2, 1),
        Reading(2, 2, 5, 5),
        Handled(2, TAKEN, True),
    )
    assert out.count("reading message kwm@true.example.org:2 of 2") == 1


def test_little_is_kept_of_lines_that_never_end() -> None:
    lines = Lines(1, StringIO(), StringIO())
    for number in range(1000):
        lines.begin(f"reading {number}")
    assert len(lines._later) == MAX_BEGUN


def test_a_line_that_was_interrupted_while_others_began_is_printed_whole() -> None:
    out = StringIO()
    lines = Lines(2, out, out)
    for name in ("one", "two", "three"):
        lines.begin(name)
        lines.detail("IMAP< * FETCH")
    for name in ("one", "two", "three"):
        lines.end(name, " flushed")
    assert out.getvalue().splitlines()[-3:] == ["one flushed", "two flushed", "three flushed"]


def test_a_refused_message_is_explained_on_standard_error() -> None:
    out, err = printed(Reading(1, 5, 2944, 31), Handled(1, REFUSED, False))
    assert out.endswith(" not flushed\n")
    assert err == "mailhaul: SMTP error: 550 no; the message stays on the server\n"


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (
            Returned(3, (b"ann@x",), False, True),
            "message kwm@true.example.org:3: a bounce was sent to <ann@x>, flushed",
        ),
        (
            Returned(3, (b"boss@here",), True, False),
            "message kwm@true.example.org:3: the sender cannot get a bounce; a bounce was sent to "
            "<boss@here>, not flushed",
        ),
    ],
)
def test_a_bounce_is_reported_only_after_it_was_accepted(returned: Returned, line: str) -> None:
    out, err = printed(Reading(1, 5, 2944, 31), Handled(1, REFUSED, False, Fate.RETURN))
    assert out.endswith(" not flushed\n")
    assert err == "mailhaul: SMTP error: 550 no; a bounce is due\n"
    assert printed(returned) == ("", f"mailhaul: {line}\n")


def test_a_named_folder_is_named() -> None:
    assert printed(Counted("Work", 1, 0), folders=True)[0] == (
        "1 message for kwm at server (folder Work).\n"
    )


def test_silent_prints_errors_only() -> None:
    events: list[Event] = [Counted("INBOX", 1, 0), Reading(1, 1, 2, 3), Handled(1, REFUSED, False)]
    out, err = printed(*events, verbosity=0)
    assert out == ""
    assert "550 no" in err


def test_details_are_printed_only_on_request() -> None:
    assert printed(Remark("a note", error=False)) == ("", "")
    assert printed(Remark("a note", error=False), verbosity=2)[0] == "mailhaul: a note\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("grün", "grün"),
        (b"\xff".decode("utf-8", "surrogateescape"), "\\xff"),
    ],
)
def test_text_from_outside_cannot_drive_a_terminal(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_long_text_is_cut() -> None:
    assert len(escape("x" * 5000)) == MAX_OCTETS + 3


def test_an_ascii_terminal_gets_escapes() -> None:
    raw = BytesIO()
    lines = Lines(1, TextIOWrapper(raw, encoding="ascii"))
    lines.say("grün")
    assert raw.getvalue() == b"mailhaul: gr\\xfcn\n"


def test_the_status_line_names_the_code() -> None:
    assert status_line(ExitCode.SOCKET) == "Query status=2 (SOCKET)"
    assert status_line(ExitCode.SERVBUSY) == "Query status=14"


def test_a_secret_that_a_server_repeats_is_not_printed() -> None:
    out, err = StringIO(), StringIO()
    lines = Lines(2, out, err)
    lines.hide("sesame")
    lines.hide("a")
    lines.complain("joe with sesame may not")
    lines.detail("IMAP< * OK sesame")
    assert err.getvalue() == "mailhaul: joe with * may not\n"
    assert out.getvalue() == "mailhaul: IMAP< * OK *\n"
