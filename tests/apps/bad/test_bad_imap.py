"""IMAP servers that refuse or disconnect: no mail is lost or duplicated."""

from __future__ import annotations

from pathlib import Path

import pytest

from .peer import HANG_UP, NASTY
from .running import SECRET, account, mailhaul
from .scripted_imap import ScriptedImap, message, subjects
from .scripted_smtp import ScriptedSmtp

SHOWN = "not today \\x1b[2J\\x07"
"""How NASTY begins once it is harmless."""


def into(sink: ScriptedSmtp) -> str:
    return f"smtphost localhost/{sink.port}"


@pytest.mark.parametrize(
    "before",
    [b"ubject:", b"of message", b")\r\n", b"\r\nA0", b"OK done"],
    ids=["in the header", "in the body", "behind the last octet", "behind it all", "in the OK"],
)
def test_an_incomplete_message_is_not_delivered_but_later_ones_are(
    tmp_path: Path, before: bytes
) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3)), cuts={2: before}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 2
        assert all("localhost: " in line for line in run.complaints)
        assert "connection closed" in run.complaints[0]
        assert "1 message(s) stay on the server" in run.complaints[-1]
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]

        server.cuts.clear()
        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 3, 2]
        assert server.mailbox == {}


def test_a_server_that_closes_between_messages_is_found_out(tmp_path: Path) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3)), answers={"UID FETCH 2": HANG_UP}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 2
        assert "connection closed while UID FETCH 2" in run.complaints[0]
        assert "1 message(s) stay on the server" in run.complaints[-1]
        # The message at which it closes does not keep the others back.
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]

        server.answers.clear()
        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 3, 2]
        assert server.mailbox == {}


def test_a_server_that_refuses_uid_expunge_is_asked_to_expunge(tmp_path: Path) -> None:
    with (
        ScriptedImap(message(1), message(2), answers={"UID EXPUNGE": b"NO " + NASTY}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, into(sink), "sslproto '' fetchall")
        assert mailhaul(tmp_path, rc).code == 0
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}


@pytest.mark.parametrize(
    ("command", "answer"),
    [("UID STORE", HANG_UP), ("UID EXPUNGE", HANG_UP), ("UID STORE", b"NO " + NASTY)],
    ids=["closes at STORE", "closes at EXPUNGE", "refuses STORE"],
)
def test_what_the_server_does_not_delete_is_not_delivered_twice(
    tmp_path: Path, command: str, answer: bytes
) -> None:
    with (
        ScriptedImap(message(1), message(2), answers={command: answer}) as server,
        ScriptedSmtp() as sink,
    ):
        rc = account(server.port, into(sink), "sslproto '' fetchall")
        run = mailhaul(tmp_path, rc)
        assert run.code == (2 if answer == HANG_UP else 0)
        assert subjects(sink.accepted) == [1, 2]
        assert sorted(server.mailbox) == [1, 2]
        if answer == HANG_UP:
            assert f"connection closed while {command} 1:2" in run.complaint
        else:
            assert "does not delete or mark 2 message(s)" in run.complaints[0]
            assert SHOWN in run.complaints[0]

        assert mailhaul(tmp_path, rc).code == (2 if answer == HANG_UP else 1)
        assert subjects(sink.accepted) == [1, 2]

        server.answers.clear()
        again = mailhaul(tmp_path, rc)
        assert (again.code, again.err) == (1, "")
        assert subjects(sink.accepted) == [1, 2]
        assert server.mailbox == {}


def test_a_refused_fetch_leaves_that_message_and_the_others_go(tmp_path: Path) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3)), answers={"UID FETCH 2": b"NO " + NASTY}) as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert run.code == 0
        assert "localhost" in run.complaint
        assert "message 2 cannot be read" in run.complaint
        assert SHOWN in run.complaint
        assert subjects(sink.accepted) == [1, 3]
        assert server.kept == [2]


@pytest.mark.parametrize("condition", [b"NO", b"BAD"])
def test_a_message_whose_fetch_is_refused_after_its_text_is_not_delivered(
    tmp_path: Path, condition: bytes
) -> None:
    text = message(1)
    answer = b"* 1 FETCH (UID 1 RFC822.SIZE %d BODY[] {%d}\r\n%b)\r\n<tag> %b " % (
        *(len(text), len(text), text, condition),
    )
    with (
        ScriptedImap(text, message(2), answers={"UID FETCH 1": answer + NASTY}) as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert subjects(sink.accepted) == [2]
        assert server.kept == [1]
    assert run.code == 0
    assert "message 1 cannot be read" in run.complaint
    assert SHOWN in run.complaint


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("LOGIN", 3, "Authorization failure on joe@localhost"),
        ("SELECT", 7, "mailbox selection failed for 'INBOX'"),
    ],
)
def test_a_refused_command_ends_the_poll_with_the_servers_words(
    tmp_path: Path, command: str, code: int, words: str
) -> None:
    with (
        ScriptedImap(message(1), answers={command: b"NO " + NASTY}) as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes, sink.accepted) == ([1], [], [])
    assert run.code == code
    assert "localhost" in run.complaint
    assert words in run.complaint
    assert SHOWN in run.complaint


@pytest.mark.parametrize(
    ("command", "unanswered"),
    [
        ("CAPABILITY", "CAPABILITY was"),
        ("LOGIN", "LOGIN was"),
        # The search is sent along with it.
        ("SELECT", "SELECT and 1 more were"),
        ("UID SEARCH", "UID SEARCH was"),
    ],
)
def test_a_server_that_closes_in_place_of_an_answer_is_named_with_the_question(
    tmp_path: Path, command: str, unanswered: str
) -> None:
    with ScriptedImap(message(1), answers={command: HANG_UP}) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 2
    assert run.complaint.startswith(f"localhost: connection closed while {unanswered} unanswered")


@pytest.mark.parametrize("verbose", [[], ["-v"]], ids=["quiet", "verbose"])
@pytest.mark.parametrize(
    "echo",
    [
        f"NO no user joe with password {SECRET}",
        f'BAD what is LOGIN joe "{SECRET}"?',
        f"MAYBE {SECRET}",
        f"NO x\r\n* OK {SECRET}",
        f"* BYE what password is {SECRET}\r\n<tag> NO x",
        f"* NO {SECRET}\r\n<tag> NO {SECRET}\r\n* BYE {SECRET}",
    ],
)
def test_a_server_that_repeats_the_password_is_not_quoted(
    tmp_path: Path, echo: str, verbose: list[str]
) -> None:
    with ScriptedImap(message(1), answers={"LOGIN": echo.encode()}) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), *verbose)
    # That the password stands nowhere is checked for every run.
    assert run.code in {2, 3, 4}
    assert "localhost" in run.complaint


@pytest.mark.parametrize("verbose", [[], ["-v"]], ids=["quiet", "verbose"])
def test_a_server_that_repeats_the_password_later_is_not_quoted(
    tmp_path: Path, verbose: list[str]
) -> None:
    welcome = f"OK welcome\r\n* OK [ALERT] {SECRET} is a weak password".encode()
    refusal = f"NO joe with {SECRET} may not".encode()
    with ScriptedImap(answers={"LOGIN": welcome, "SELECT": refusal}) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), *verbose)
    assert run.code == 7
    assert "joe with *" in run.complaints[-1]
    assert SECRET not in run.err


def test_no_password_is_sent_if_login_is_disabled(tmp_path: Path) -> None:
    with ScriptedImap(message(1), capabilities=b"IMAP4rev1 LOGINDISABLED") as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"))
        assert not any("LOGIN " in line for line in server.commands)
    assert run.code == 3
    assert "localhost: the server allows no plain login here (LOGINDISABLED)" in run.complaint


def test_without_uidplus_our_messages_are_expunged_when_they_are_the_only_ones(
    tmp_path: Path,
) -> None:
    with (
        ScriptedImap(message(1), message(2), capabilities=b"IMAP4rev1") as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert server.mailbox == {}
        assert server.changes[-1] == "EXPUNGE"
    assert (run.code, run.err) == (0, "")


def test_without_uidplus_what_another_client_has_deleted_is_not_expunged(tmp_path: Path) -> None:
    with (
        ScriptedImap(*map(message, (1, 2, 3)), capabilities=b"IMAP4rev1") as server,
        ScriptedSmtp() as sink,
    ):
        server.flags[2].add(b"\\Deleted")
        rc = account(server.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 0
        assert sorted(server.mailbox) == [1, 2, 3]
        assert not any(line == "EXPUNGE" for line in server.commands)
        assert mailhaul(tmp_path, rc).code == 1
        assert subjects(sink.accepted) == [1, 3]


@pytest.mark.parametrize("surprise", [b"A9999 OK surprise", b"<tag> OK again", b"OK no tag"])
def test_an_unexpected_reply_ends_the_poll_and_nothing_is_deleted_after_it(
    tmp_path: Path, surprise: bytes
) -> None:
    found = b"* SEARCH 1\r\n<tag> OK done\r\n" + surprise
    with (
        ScriptedImap(message(1), answers={"UID SEARCH": found}) as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.changes, sink.accepted) == ([], [])
    assert run.code == 4
    assert "unexpected reply: no command was waiting for one" in run.complaint


@pytest.mark.parametrize("size", [b"-1", b"", b"99999999999999999999999999", b"4294967296", b"x"])
def test_an_absurd_literal_is_never_believed(tmp_path: Path, size: bytes) -> None:
    text = b"* 1 FETCH (UID 1 BODY[] {%b}\r\nFrom: ann\r\n\r\nText\r\n)\r\n<tag> OK done" % size
    with (
        ScriptedImap(message(1), answers={"UID FETCH 1": text}) as server,
        ScriptedSmtp() as sink,
    ):
        run = mailhaul(tmp_path, account(server.port, into(sink)))
        assert (server.kept, server.changes, sink.accepted) == ([1], [], [])
    assert run.code in {2, 4}


def test_a_poll_that_fails_does_not_stop_the_next_one(tmp_path: Path) -> None:
    with (
        ScriptedImap(message(1), answers={"LOGIN": b"NO no"}) as broken,
        ScriptedImap(message(2)) as good,
        ScriptedSmtp() as sink,
    ):
        rc = account(broken.port, into(sink)) + account(good.port, into(sink))
        run = mailhaul(tmp_path, rc)
        assert run.code == 0
        assert "Authorization failure" in run.complaint
        assert subjects(sink.accepted) == [2]
        assert (broken.kept, good.mailbox) == ([1], {})


def test_a_silent_run_still_reports_errors(tmp_path: Path) -> None:
    with ScriptedImap(message(1), answers={"LOGIN": b"NO no"}) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), "-s")
    assert (run.code, run.out) == (3, "")
    assert run.complaint.startswith("Authorization failure on joe@localhost: no; correct the user")


@pytest.mark.parametrize("command", ["LOGIN", "SELECT"])
@pytest.mark.parametrize("padding", [192, 300, 500])
def test_no_part_of_the_password_is_left_where_a_long_answer_is_cut(
    tmp_path: Path, command: str, padding: int
) -> None:
    answer = f"NO {'-' * padding}{SECRET}".encode()
    with ScriptedImap(message(1), answers={command: answer}) as server:
        run = mailhaul(tmp_path, account(server.port, "mda cat"), "-v")
    assert SECRET[:4] not in run.out + run.err
