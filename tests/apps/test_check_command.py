"""``mailhaul check`` finds everything at once, says where and what to do, and prints no secret."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.cli.check import SCHEMA

from .looking import PASSWORD, World, columns_of, read_json
from .looking import world as world  # noqa: PLC0414  # a fixture

SOUND = "poll localhost protocol imap user joe password {} is joe here maildir {}/Mail\n"


def closed_descriptor() -> int:
    """Return a number that is no open descriptor, and does not become one soon.

    The process of the tests has any number of descriptors open, and new ones get low numbers.
    """
    for number in range(60_000, 70_000):
        try:
            os.fstat(number)
        except OSError:
            return number
    raise AssertionError("ten thousand descriptors in a row are open")


def findings(world: World, capsys: pytest.CaptureFixture[str], code: int, *words: str) -> list[Any]:
    assert world.check("--json", *words) == code
    out = capsys.readouterr().out
    assert PASSWORD not in out
    document = read_json(out, SCHEMA)
    assert document["exit_code"] == code
    found: list[Any] = document["findings"]
    assert all(one["next_step"] and one["place"] for one in found if one["severity"] == "error")
    return found


def test_a_sound_configuration_has_no_findings(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_rc(SOUND.format(PASSWORD, world.home))
    files = world.files()
    assert [one["severity"] for one in findings(world, capsys, 0)] == ["note", "note"]
    assert world.check() == 0
    lines = columns_of(capsys.readouterr().out)
    assert lines[-1] == "Everything is as it should be."
    assert world.files() == files


def test_all_errors_of_the_rc_file_are_found(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "poll a.example.org protocol imap usr joe\n"
        "poll b.example.org protocol imap port 99999 user joe password x\n"
        "poll c.example.org protocol imap monitor eth0 user joe password x mda cat\n"
    )
    world.write_rc(text, mode=0o644)
    found = findings(world, capsys, 5)
    rc = f"{world.home}/rc"
    assert [one["place"] for one in found if one["severity"] == "error"][:4] == [
        rc,
        f"{rc}:1:34",
        f"{rc}:2:34",
        f"{rc}:3:34",
    ]
    assert found[0]["next_step"] == f"chmod 600 {rc}"
    assert any("1 of 3 entries" in one["cause"] for one in found)


def test_a_missing_rc_file_is_an_error(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    [error, *_] = findings(world, capsys, 5)
    assert error["cause"] == "it does not exist"
    world.write_rc("# nothing yet\n")
    [error, *_] = findings(world, capsys, 5)
    assert error["cause"] == "it has no entry of a mail server"


def test_sinks_are_checked_and_not_created(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    home = world.home
    (home / "file").write_text("")
    (home / "socket.txt").write_text("")
    sinks = [
        f"maildir {home}/file",
        f"mbox {home}/missing/mbox",
        'mda "no-such-program-here -f %F %T"',
        f"lmtp smtphost {home}/lmtp.sock",
        f"lmtp smtphost {home}/socket.txt",
        f"mbox {home}/mbox",
    ]
    world.write_rc(
        "".join(
            f"poll localhost protocol imap port {1000 + n} user joe password {PASSWORD} {sink}\n"
            for n, sink in enumerate(sinks)
        )
    )
    found = [one for one in findings(world, capsys, 6) if one["name"] == "sink"]
    assert [one["cause"] for one in found] == [
        f"{home}/file is not a folder",
        f"the folder of {home}/missing/mbox does not exist",
        "the program no-such-program-here is not in PATH",
        f"{home}/lmtp.sock: No such file or directory",
        f"{home}/socket.txt is not a socket",
    ]
    assert not (home / "mbox").exists()
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(f"{home}/lmtp.sock")
        found = [one for one in findings(world, capsys, 6) if one["name"] == "sink"]
        assert len(found) == 4


@pytest.mark.parametrize(
    ("way", "cause"),
    [
        ("passwordfile {home}/none", "No such file or directory"),
        ('passwordeval "exit 3"', "status 3"),
        ("passwordenv NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE is not set"),
        ("passwordfd {closed}", "Bad file descriptor"),
        ("", "there is none"),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error(
    world: World, capsys: pytest.CaptureFixture[str], way: str, cause: str
) -> None:
    way = way.format(home=world.home, closed=closed_descriptor())
    world.write_rc(f"poll localhost protocol imap user joe {way} mda cat\n")
    code = 6 if way else 3
    [error] = [one for one in findings(world, capsys, code) if one["name"] == "password"]
    assert cause in error["cause"]
    assert error["account"] == "joe@localhost"


def test_secrets_are_read_and_not_printed(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.home / "secret").write_text(f"{PASSWORD}\n")
    (world.home / "secret").chmod(0o644)
    (world.home / ".netrc").write_text(f"machine localhost login joe password {PASSWORD}\n")
    (world.home / ".netrc").chmod(0o600)
    monkeypatch.setenv("INSIGHT_PASSWORD", PASSWORD)
    entries = [
        f"poll localhost protocol imap port {port} user joe {way} mda cat\n"
        for port, way in enumerate(
            [
                f"passwordfile {world.home}/secret",
                f'passwordeval "cat {world.home}/secret"',
                "passwordenv INSIGHT_PASSWORD",
                "",
            ],
            1000,
        )
    ]
    world.write_rc("".join(entries))
    assert world.check("--json") == 1
    out = capsys.readouterr().out
    assert PASSWORD not in out
    document = read_json(out, SCHEMA)
    passed = [one["cause"] for one in document["passed"] if one["name"] == "password"]
    assert passed == [
        f"in {world.home}/secret",
        "printed by its command",
        "in the environment variable INSIGHT_PASSWORD",
        f"in {world.home}/.netrc",
    ]
    [warning] = [one for one in document["findings"] if one["severity"] == "warning"]
    assert warning["next_step"] == f'"chmod 600 {world.home}/secret" makes it private'
    assert "INSIGHT_PASSWORD" not in os.environ


def test_tls_that_an_attacker_could_take_away_is_a_warning(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "poll {} protocol imap user joe password x mda cat {}\n"
    cases = [
        'sslmode "starttls=may"',
        "sslmode none",
        "ssl no sslcertck",
        "ssl",
        "ssl sslcertfile /no/such/file",
    ]
    world.write_rc("".join(text.format(f"m{n}.example.org", tls) for n, tls in enumerate(cases)))
    found = [one for one in findings(world, capsys, 2) if one["name"] == "tls"]
    assert [(one["severity"], one["account"]) for one in found] == [
        ("warning", "joe@m0.example.org"),
        ("warning", "joe@m1.example.org"),
        ("warning", "joe@m2.example.org"),
        ("error", "joe@m4.example.org"),
    ]
    assert findings(world, capsys, 0, "m3.example.org")


def test_a_plugin_makes_the_connection(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    text = "poll {} protocol imap {} plugin cat user joe {} mda cat\n"
    world.write_rc(
        text.format("ssh.example.org", "auth ssh", "")
        + text.format("tls.example.org", "", "password x ssl")
    )
    assert world.check() == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "TLS not needed: the server takes the connection as logged in (PREAUTH)" in shown
    assert "TLS from the first byte; the plugin makes the connection" in shown


def test_a_log_file_that_does_not_exist_is_a_warning(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    log = world.home / "log"
    world.write_rc(f'set logfile "{log}"\n' + SOUND.format("x", world.home))
    found = [one for one in findings(world, capsys, 1) if one["name"] == "logfile"]
    assert [(one["severity"], one["next_step"]) for one in found] == [("warning", f"touch {log}")]
    log.touch()
    assert "logfile" not in {one["name"] for one in findings(world, capsys, 0)}


def test_a_terminal_that_stays_empty_is_explained(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_rc("set syslog\n" + SOUND.format("x", world.home))
    [found] = [one for one in findings(world, capsys, 0) if one["name"] == "syslog"]
    assert (found["severity"], found["place"]) == ("note", f"{world.home}/rc:1:5")


def test_a_token_that_nobody_has_consented_to_is_an_error(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "poll imap.example.org protocol imap auth oauth oauthissuer gmail oauthclient id\n"
        "  user joe@example.org is joe here ssl mda cat\n"
    )
    world.write_rc(text)
    [error] = [one for one in findings(world, capsys, 3) if one["name"] == "token"]
    assert error["next_step"] == "mailhaul login joe@example.org"
    assert not (world.home / ".local").exists()


def test_a_damaged_ledger_is_found_and_left(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write_rc(SOUND.format(PASSWORD, world.home))
    path = world.home / ".local" / "state" / "mailhaul" / "ledger.db"
    ledger = SqliteLedger(str(path))
    ledger.page("imap joe@localhost", "maildir x", "INBOX", 7)
    ledger.close()
    files = world.files()
    assert [one["name"] for one in findings(world, capsys, 0)] == []
    assert world.files() == files
    path.write_bytes(b"this is no database" * 100)
    [error] = [one for one in findings(world, capsys, 6) if one["name"] == "ledger"]
    assert "damaged" in error["cause"]
    assert path.read_bytes().startswith(b"this is no database")


def test_only_the_accounts_that_are_named_are_checked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "skip {}.example.org protocol imap user joe password x ssl mda cat\n"
    world.write_rc(text.format("a") + text.format("b"))
    assert world.check("--json", "joe@b.example.org") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert document["accounts"] == ["joe@b.example.org"]
    assert world.check("c.example.org") == 5
    assert 'no account "c.example.org"; there are: joe@a' in capsys.readouterr().err
