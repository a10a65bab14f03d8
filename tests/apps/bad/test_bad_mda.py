"""Commands that are missing, fail, hang or are given strange addresses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from .running import Run, account, mailhaul, script
from .scripted_imap import ScriptedImap, message

HEADER = b"To: joe@example.net\r\nSubject: number 1\r\n"


def deliver(home: Path, server: ScriptedImap, mda: str) -> Run:
    return mailhaul(home, account(server.port, f'mda "{mda}"'))


def from_sender(address: bytes) -> bytes:
    return b"Return-Path: <%b>\r\n%b\r\nHello\r\n" % (address, HEADER)


@pytest.mark.parametrize("arguments", ["", " -f %F %T"])
def test_a_missing_command_is_named(tmp_path: Path, arguments: str) -> None:
    with ScriptedImap(message(1), message(2)) as server:
        run = deliver(tmp_path, server, f"{tmp_path}/nowhere{arguments}")
        assert (server.kept, server.changes) == ([1, 2], [])
    assert run.code == 10
    assert f'"{tmp_path}/nowhere" not found' in run.err


def test_a_command_that_the_shell_does_not_find_is_quoted(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        run = deliver(tmp_path, server, f"{tmp_path}/nowhere </dev/null")
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 10
    assert "status 127" in run.complaint
    assert f"{tmp_path}/nowhere" in run.complaint


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("exit 1", "MDA returned nonzero status 1"),
        ("exit 67", "MDA returned nonzero status 67 (EX_NOUSER)"),
        ("exit 75", "MDA returned nonzero status 75 (EX_TEMPFAIL)"),
        ("kill -9 $$", "MDA died of signal 9"),
    ],
)
def test_a_command_that_fails_is_quoted_and_keeps_the_message(
    tmp_path: Path, end: str, words: str
) -> None:
    failing = script(tmp_path / "failing", f"cat; printf 'disk \\033[2J on fire' >&2; {end}")
    with ScriptedImap(message(1)) as server:
        run = deliver(tmp_path, server, str(failing))
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 10
    assert words in run.complaint
    assert "disk \\x1b[2J on fire" in run.complaint
    assert "the message stays on the server" in run.complaint


def test_a_command_that_reads_nothing_and_ends_well_has_accepted(tmp_path: Path) -> None:
    with ScriptedImap(message(1, b"x" * 500_000), message(2)) as server:
        run = deliver(tmp_path, server, "true")
        assert server.mailbox == {}
    assert run.code == 0
    # Once is enough.
    assert run.complaint.count("has not read the message") == 1


def test_a_command_that_reads_a_part_and_ends_well_has_accepted(tmp_path: Path) -> None:
    with ScriptedImap(message(1, b"x" * 500_000)) as server:
        run = deliver(tmp_path, server, "head -c 10")
        assert server.mailbox == {}
    assert (run.code, run.err) == (0, "")


@pytest.mark.parametrize(
    ("status", "stored"), [(1, "refused"), (67, "refused"), (75, "postponed"), (127, "postponed")]
)
def test_only_replies_about_the_message_count_as_refusals(
    tmp_path: Path, status: int, stored: str
) -> None:
    failing = script(tmp_path / "failing", f"exit {status}")
    with ScriptedImap(message(1)) as server:
        deliver(tmp_path, server, str(failing))
    (path,) = tmp_path.rglob("ledger.db")
    ledger = sqlite3.connect(path)
    assert ledger.execute("SELECT state FROM message").fetchall() == [(stored,)]
    ledger.close()


def test_a_command_may_take_longer_than_the_server(tmp_path: Path) -> None:
    slow = script(tmp_path / "slow", f"cat >>{tmp_path}/stored; sleep 3")
    with ScriptedImap(message(1)) as server:
        assert deliver(tmp_path, server, str(slow)).code == 0
        assert server.mailbox == {}


def test_endless_output_of_a_command_is_read_and_truncated(tmp_path: Path) -> None:
    chatty = script(tmp_path / "chatty", "head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 1")
    with ScriptedImap(message(1)) as server:
        run = deliver(tmp_path, server, str(chatty))
        assert server.kept == [1]
    assert run.code == 10
    assert len(run.complaint) < 1000


@pytest.mark.parametrize("shell", ["", " >/dev/null"], ids=["direct", "shell"])
def test_a_sender_that_looks_like_an_option_reaches_no_command(tmp_path: Path, shell: str) -> None:
    ran = tmp_path / "ran"
    recording = script(tmp_path / "recording", f"touch {ran}")
    with ScriptedImap(from_sender(b"-oQ/tmp@example.org")) as server:
        run = deliver(tmp_path, server, f"{recording} -f %F %T{shell}")
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 10
    assert 'the sender "-oQ/tmp@example.org" begins with "-"' in run.complaint
    assert not ran.exists()


def test_a_recipient_that_looks_like_an_option_reaches_no_command(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        rc = account(server.port, 'mda "true %T"').replace("is joe here", "is '-C/tmp/x' here")
        run = mailhaul(tmp_path, rc)
        assert (server.kept, server.changes) == ([1], [])
    assert run.code == 10
    assert 'the recipient "-C/tmp/x" begins with "-"' in run.complaint


@pytest.mark.parametrize("quotes", ["%F", '"%F"'], ids=["bare", "quoted"])
def test_shell_characters_in_addresses_stay_arguments(tmp_path: Path, quotes: str) -> None:
    words = tmp_path / "words"
    recording = script(tmp_path / "recording", f'printf "%s|" "$@" >{words}')
    sender = b"a$HOME`touch${IFS}pwned`|b'c&d*@example.org"
    with ScriptedImap(from_sender(sender)) as server:
        # The rc file's other quotes: no backslash protects a quote inside its own kind.
        mda = f"mda '{recording} {quotes} %T 2>/dev/null'"
        run = mailhaul(tmp_path, account(server.port, mda))
        assert server.mailbox == {}
    assert run.code == 0
    assert words.read_bytes() == sender + b"|joe|"
    assert not (tmp_path / "pwned").exists()
