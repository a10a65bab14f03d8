"""``mailhaul import`` and ``mailhaul export``."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.adapters.ledger.lock import MailboxLock
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.main import main

RC = """\
poll pop.example.org protocol pop3
    user joe password sesame-42 keep
skip imap.example.org protocol imap
    user joe password sesame-42
"""
ACCOUNT = "pop3 joe@pop.example.org"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("FETCHMAILHOME", "HOME_ETC", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    # What a process inherits is not that of the tests.
    monkeypatch.setattr("mailhaul.apps.main.reset_inherited_state", lambda: None)
    monkeypatch.setattr("mailhaul.apps.main.leave_no_core", lambda: None)
    monkeypatch.setattr("sys.argv", ["mailhaul"])
    monkeypatch.chdir(tmp_path)
    rc = tmp_path / ".fetchmailrc"
    rc.write_text(RC)
    rc.chmod(0o600)
    return tmp_path


def ledger(home: Path) -> Path:
    return home / ".local/state/mailhaul/ledger.db"


def accounts(home: Path) -> list[tuple[str, str, int, int]]:
    store = SqliteLedger(str(ledger(home)))
    try:
        return list(store.accounts())
    finally:
        store.close()


def test_lists_are_recorded_for_the_accounts_that_they_are_about(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "uidls").write_text(" 2 POP.example.org joe\na\nb\n 1 pop.example.org ann\nc\n")
    assert main(["import", "mpop", "uidls"]) == 0
    out, err = capsys.readouterr()
    assert out == (
        "mailhaul: joe@pop.example.org: 2 messages recorded as fetched, 0 known before\n"
    )
    assert "uidls: ann@pop.example.org: 1 message left out: no entry" in err
    assert accounts(home) == [(ACCOUNT, "INBOX", 2, 0)]


def test_a_dry_run_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".fetchids").write_text("joe@pop.example.org a\n")
    before = sorted(home.rglob("*"))
    assert main(["import", "fetchmail", "--dry-run"]) == 0
    assert "1 message would be recorded as fetched, 0 known before" in capsys.readouterr().out
    assert sorted(home.rglob("*")) == before


def test_over_imap_it_is_said_that_the_ledger_must_decide(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "oldmail-imap.example.org-993-joe-INBOX").write_bytes(b"17/4\x001\n")
    assert main(["import", "getmail", str(home)]) == 0
    assert 'write "fetchread" into the entry' in capsys.readouterr().err


def test_an_error_in_a_list_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "uidls").write_text(" 1 pop.example.org joe\na\n 2 x y\n")
    assert main(["import", "mpop", "uidls"]) == 5
    assert "uidls:3: " in capsys.readouterr().err
    assert not ledger(home).exists()


def test_a_list_that_does_not_exist(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "mpop", "nowhere"]) == 6
    assert "nowhere: No such file" in capsys.readouterr().err


def test_a_mailbox_that_is_polled_is_left_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".fetchids").write_text("joe@pop.example.org a\n")
    lock = MailboxLock(str(ledger(home).parent / "locks"), ACCOUNT, "INBOX")
    lock.acquire()
    # A lock of this process is not counted as that of another.
    MailboxLock._held.clear()
    try:
        assert main(["import", "fetchmail"]) == 8
    finally:
        lock.release()
    assert "polling this mailbox" in capsys.readouterr().err


def test_a_new_rc_file_is_private_and_replaces_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".mpoprc").write_text(
        "account a\nhost pop.example.org\nuser joe\npassword sesame-42\ntls on\nfilter x\n"
        "delivery maildir ~/Mail\n"
    )
    assert main(["import", "rc", "mpop", "-o", "new"]) == 0
    made = (home / "new").read_text()
    assert (home / "new").stat().st_mode & 0o777 == 0o600
    assert 'password "sesame-42"' in made
    out, err = capsys.readouterr()
    assert '.mpoprc:6: "filter" is not translated' in err
    assert "#   " + str(home / ".mpoprc") + ':6: "filter" is not translated' in made
    assert "sesame" not in out + err
    assert main(["import", "rc", "mpop", "-o", "new"]) == 6
    assert (home / "new").read_text() == made


def test_no_password_goes_to_standard_output(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".mpoprc").write_text(
        "account a\nhost pop.example.org\nuser joé\npassword sesame-42\ntls on\n"
    )
    assert main(["import", "rc", "mpop"]) == 0
    out, err = capsys.readouterr()
    assert 'user "joé"' in out
    assert ".mpoprc:4: the password is not copied" in err
    assert "sesame" not in out + err


def test_of_mbsync_only_the_rc_file_is_taken_over(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One account with a password may have several entries: what is left out is said once."""
    (home / ".mbsyncrc").write_text(
        "IMAPStore far\nHost imap.example.org\nUser joe\nPass sesame-42\nSSLType IMAPS\n\n"
        "MaildirStore near\nPath ~/Mail/\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns INBOX Sent\nSync PullNew\n"
    )
    assert main(["import", "rc", "mbsync"]) == 0
    out, err = capsys.readouterr()
    assert out.count('poll "imap.example.org" protocol imap') == 2
    assert err.count(".mbsyncrc:4: the password is not copied") == 1
    assert "sesame" not in out + err
    assert "what mbsync has fetched is not taken over" in out
    assert main(["import", "rc", "mbsync", "-o", "new"]) == 0
    assert "records what" not in capsys.readouterr().out
    assert main(["import", "mbsync"]) == 5
    assert 'only its rc file: "mailhaul import rc PROGRAM"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["import"],
        ["import", "rc"],
        ["import", "rc", "fetchmail"],
        ["import", "mutt"],
        ["import", "mpop", "-o", "x"],
        ["import", "rc", "mpop", "-o", ""],
        ["export"],
        ["export", "uidls"],
        ["export", "fetchids", "--all"],
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 5
    assert f"usage: mailhaul {words[0]}" in capsys.readouterr().err


def test_export_writes_lines_of_fetchids(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "fetchids"]) == 1
    assert not ledger(home).exists()
    (home / "ids").write_text("joe@pop.example.org b\njoe@pop.example.org a\n")
    assert main(["import", "fetchmail", "ids"]) == 0
    capsys.readouterr()
    assert main(["export", "fetchids"]) == 0
    assert capsys.readouterr().out == "joe@pop.example.org a\njoe@pop.example.org b\n"
