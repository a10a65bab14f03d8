"""``--dry-run`` says what a poll would do, and changes nothing anywhere."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from mailhaul import imap, pop3
from mailhaul.adapters.config.command_line import parse_command_line
from mailhaul.adapters.config.errors import ConfigErrors
from mailhaul.apps.cli.dry_run_report import SCHEMA

from .looking import PASSWORD, World, columns_of, mail, read_json
from .looking import world as world  # noqa: PLC0414  # a fixture


def verdicts(document: Any, account: int = 0) -> list[tuple[str, str, str | None]]:
    return [
        (message["uid"], message["verdict"], message["then"])
        for mailbox in document["accounts"][account]["mailboxes"]
        for message in mailbox["messages"]
    ]


def poll(world: World, *words: str) -> int:
    """Poll by the program itself."""
    done = subprocess.run(
        [sys.executable, "-m", "mailhaul", "-s", "-f", str(world.home / "rc"), *words],
        env={**os.environ, "HOME": str(world.home), "XDG_STATE_HOME": ""},
        capture_output=True,
        check=False,
    )
    return done.returncode


def test_an_imap_mailbox_stays_as_it_is(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 3):
        world.inbox.append(mail(number, octets=5000 * (number == 2)))
    world.inbox.append(mail(4), rb"\Seen")
    more = f"limit 4000 smtphost localhost/{world.smtp_port()}"
    world.write_rc(world.account("imap", world.imap_port(), more))
    before = [(one.uid, set(one.flags)) for one in world.inbox.messages]
    files = world.files()
    assert world.dry_run("--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert verdicts(document) == [
        ("1", "fetch", "delete"),
        ("2", "oversized", None),
        ("3", "fetch", "delete"),
    ]
    [account] = document["accounts"]
    [mailbox] = account["mailboxes"]
    assert (mailbox["total"], mailbox["seen"]) == (4, 1)
    assert mailbox["messages"][0]["recipients"] == ["joe@localhost"]
    assert account["sink"]["kind"] == "smtp"
    assert document["totals"]["fetch"] == 2
    # Nothing has changed, and nothing that could change anything was sent.
    assert [(one.uid, set(one.flags)) for one in world.inbox.messages] == before
    assert world.files() == files
    assert world.listened.commands == []
    assert world.heard.kinds <= {
        *(imap.Capability, imap.Login, imap.Select, imap.UidSearch, imap.UidFetch),
        *(imap.Logout, imap.Closed),
    }
    opened = [one for one in world.heard.commands if isinstance(one, imap.Select)]
    assert [one.read_only for one in opened] == [True]
    asked = [one for one in world.heard.commands if isinstance(one, imap.UidFetch)]
    assert all(b"BODY[" not in one.items for one in asked)


def test_the_poll_after_it_does_what_it_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (1, 2, 3):
        world.maildrop.mailbox.append(mail(number, octets=5000 * (number == 2)))
    more = f"keep limit 4000 smtphost localhost/{world.smtp_port()}"
    world.write_rc(world.account("pop3", world.pop3_port(), more))
    assert world.dry_run("--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert [one[1:] for one in verdicts(document)] == [
        ("fetch", "keep"),
        ("oversized", None),
        ("fetch", "keep"),
    ]
    assert poll(world) == 0
    assert len(world.received.messages) == 2
    # Now they are known, and the dry run says so and leaves the ledger as it is.
    files = world.files()
    world.heard.commands.clear()
    assert world.dry_run("--json", "-v") == 1
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert [one[1] for one in verdicts(document)] == ["seen", "oversized", "seen"]
    assert world.files() == files
    assert not world.heard.kinds & {pop3.Retrieve, pop3.Delete, pop3.Reset}


def test_what_delete_after_would_delete_is_shown(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inbox.append(mail(1))
    port = world.imap_port()
    more = f"delete-after 30d smtphost localhost/{world.smtp_port()}"
    world.write_rc(world.account("imap", port, more))
    assert poll(world) == 0
    path = world.home / ".local" / "state" / "mailhaul" / "ledger.db"
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE seen SET accepted = accepted - 40 * 86400")
        ledger.commit()
    assert world.dry_run("--json") == 1
    document = read_json(capsys.readouterr().out, SCHEMA)
    [mailbox] = document["accounts"][0]["mailboxes"]
    held = "the first deletions come a day after this announcement"
    assert mailbox["retention"] == {"due": 1, "delete": 0, "held": held}
    assert mailbox["messages"] == []
    assert world.dry_run() == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert f"1 message delivered more than 30 days ago, 0 would be deleted: {held}" in shown
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE retention SET announced = announced - 2 * 86400")
        ledger.commit()
    files = world.files()
    assert world.dry_run("--json") == 1
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert verdicts(document) == [("1", "expired", "delete")]
    assert (document["totals"]["expired"], document["totals"]["delete"]) == (1, 1)
    assert (world.files(), len(world.inbox.messages)) == (files, 1)
    assert poll(world) == 1
    assert world.inbox.messages == []


def test_the_recipients_are_those_of_the_header(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inbox.append(mail(1, "Delivered-To: anna@example.org"))
    world.inbox.append(mail(2, "Delivered-To: nobody@example.org"))
    world.inbox.append(mail(3))
    more = f"smtphost localhost/{world.smtp_port()}"
    text = world.account("imap", world.imap_port(), more)
    text = text.replace("no dns", "no dns envelope Delivered-To aka example.org")
    world.write_rc("set postmaster pm\n" + text.replace("is joe", "to anna berta"))
    assert world.dry_run("--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    messages = document["accounts"][0]["mailboxes"][0]["messages"]
    assert [one["recipients"] for one in messages] == [["anna@localhost"], ["pm@localhost"], []]
    assert [one["verdict"] for one in messages] == ["fetch", "fetch", "refuse"]
    assert messages[0]["sender"] == "a1@example.org"
    assert "with its recipient" in messages[2]["reason"]


def test_sender_and_subject_are_shown_only_if_they_are_wanted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inbox.append(mail(1, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?="))
    world.inbox.append(mail(2).replace(b"letter 2", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from\x1b[2J"))
    world.write_rc(world.account("imap", world.imap_port(), f"maildir {world.home}/Mail"))
    assert world.dry_run() == 0
    out = capsys.readouterr().out
    assert "letter" not in out
    assert "Anna" not in out
    assert "2 messages" in out
    assert world.dry_run("-v") == 0
    out = capsys.readouterr().out
    assert "Subject: letter 1" in out
    assert "Subject: Grüße from\\x1b[2J" in out
    assert PASSWORD not in out
    columns_of(out)
    assert not (world.home / "Mail").exists()


def test_a_failed_account_is_reported_and_the_others_follow(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inbox.append(mail(1))
    port = world.imap_port()
    wrong = world.account("imap", port, "mda cat").replace(PASSWORD, "wrong")
    world.write_rc(wrong + world.account("imap", port, "mda cat").replace("localhost", "127.0.0.1"))
    assert world.dry_run("--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert [one["exit_code"] for one in document["accounts"]] == [3, 0]
    assert "Authorization failure" in document["accounts"][0]["error"]
    assert document["totals"]["failed_accounts"] == 1


def test_nothing_to_fetch_is_exit_code_1(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write_rc(world.account("imap", world.imap_port(), "mda cat"))
    assert world.dry_run() == 1
    lines = columns_of(capsys.readouterr().out)
    assert lines[-1] == "Dry run: 0 messages would be fetched. Nothing was changed."


def test_json_without_a_dry_run_is_still_the_short_form_of_jsonlog() -> None:
    line = parse_command_line(["--json"], "/")
    assert (line.run.json, line.globals) == (False, {"jsonlog": True})
    line = parse_command_line(["--json", "--dry-run"], "/")
    assert (line.run.json, line.globals) == (True, {})


@pytest.mark.parametrize("words", [("--quit",), ("-q",)])
def test_it_cannot_be_combined_with_the_end_of_a_daemon(world: World, words: tuple[str]) -> None:
    world.write_rc(world.account("imap", 143, "mda cat"))
    with pytest.raises(ConfigErrors, match="changes nothing"):
        world.dry_run(*words, "localhost")


def test_etrn_is_not_sent(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write_rc("poll mail.example.org protocol etrn fetchdomains example.net\n")
    assert world.dry_run() == 1
    assert "would be asked to send the mail for example.net" in capsys.readouterr().out


def test_mail_that_another_program_has_read_is_new_with_fetchread(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inbox.append(mail(1))
    more = f"keep fetchread smtphost localhost/{world.smtp_port()}"
    world.write_rc(world.account("imap", world.imap_port(), more))
    assert poll(world) == 0
    assert poll(world, "-c") == 1
    world.inbox.append(mail(2), rb"\Seen")
    # EXAMINE opens every mailbox read-only, which does not mean that the ledger is not used.
    assert poll(world, "-c") == 0
    assert world.dry_run("--json") == 0
    assert verdicts(read_json(capsys.readouterr().out, SCHEMA)) == [("2", "fetch", "keep")]


def test_it_runs_beside_a_daemon(world: World) -> None:
    world.inbox.append(mail(1))
    world.write_rc(world.account("imap", world.imap_port(), "mda cat"))
    pid = world.home / "pid"
    pid.write_text(f"{os.getpid()}\n300\n")
    with pid.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert poll(world, "--pidfile", str(pid), "--dry-run") == 0
