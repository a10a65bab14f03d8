"""Invalid rc files and command lines: one line with the place, and no poll."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .running import SECRET, Run, account, launch, mailhaul
from .scripted_imap import ScriptedImap, message


def run_with_file(home: Path, path: Path) -> Run:
    return launch(home, "-f", str(path)).finish()


@pytest.fixture
def rc(tmp_path: Path) -> Path:
    path = tmp_path / "fetchmailrc"
    path.write_text(account(9, "mda cat"))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o620])
def test_an_rc_file_that_others_can_read_or_write_is_not_used(
    tmp_path: Path, rc: Path, mode: int
) -> None:
    rc.chmod(mode)
    run = run_with_file(tmp_path, rc)
    assert run.code == 6
    assert str(rc) in run.complaint
    assert "0700" in run.complaint


def test_a_folder_in_place_of_the_rc_file_is_named(tmp_path: Path) -> None:
    run = run_with_file(tmp_path, tmp_path)
    assert run.code == 6
    assert run.complaint == f"File {tmp_path} must be a regular file."


def test_a_pipe_in_place_of_the_rc_file_does_not_make_it_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    run = run_with_file(tmp_path, tmp_path / "pipe")
    assert run.code == 6
    assert "regular file" in run.complaint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_rc_file_of_another_user_is_not_used(tmp_path: Path, rc: Path) -> None:
    os.chown(rc, 65534, -1)
    run = run_with_file(tmp_path, rc)
    assert run.code == 6
    assert run.complaint == f"File {rc} must be owned by you."


def test_an_rc_file_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    run = run_with_file(tmp_path, loop)
    assert run.code == 6
    assert run.complaint == f"File {loop} cannot be read: Too many levels of symbolic links."


def test_without_an_rc_file_the_missing_file_is_named(tmp_path: Path) -> None:
    run = run_with_file(tmp_path, tmp_path / "nowhere")
    assert run.code == 5
    assert "no mailservers have been specified" in run.complaint
    assert str(tmp_path / "nowhere") in run.complaint


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("poll h protcol imap", "1:8", ['found "protcol"', 'did you mean "protocol"?']),
        ("poll h proto imap\n  user joe\n  kepp", "3:3", ['"kepp"', 'did you mean "keep"?']),
        ("poll h timeout soon", "1:16", ['found "soon"', "expected a number"]),
        ("poll h user joe password", "1:25", ["the end of the file", "expected"]),
        (f'poll h user joe pass "{SECRET}\n  mda "cat"', "2:8", ["not shown", "quotes"]),
        ("poll h \x00 user joe", "1:8", ["NUL byte", "plain text"]),
    ],
    ids=["server option", "user option", "number", "end", "quote", "NUL"],
)
def test_a_syntax_error_is_shown_with_its_place_and_what_is_expected(
    tmp_path: Path, text: str, line: str, words: list[str]
) -> None:
    run = mailhaul(tmp_path, text)
    assert run.code == 5
    assert run.complaint.startswith(f"{tmp_path}/rc:{line}: ")
    for word in words:
        assert word in run.complaint


def test_all_errors_of_a_file_are_shown_and_nothing_is_polled(tmp_path: Path) -> None:
    with ScriptedImap(message(1)) as server:
        run = mailhaul(
            tmp_path,
            f"{account(server.port, 'mda cat')}\n"
            "poll one.example.org protcol imap\n"
            "poll two.example.org protocol imap user joe kepp\n"
            "set postmster joe\n",
        )
        assert server.visits == 0
    assert run.code == 5
    assert [line.split(": ")[0] for line in run.complaints] == [
        f"{tmp_path}/rc:5:22",
        f"{tmp_path}/rc:6:45",
        f"{tmp_path}/rc:7:5",
    ]


def test_an_rc_file_of_binary_data_is_a_syntax_error(tmp_path: Path) -> None:
    path = tmp_path / "binary"
    path.write_bytes(bytes(range(1, 256)) * 100)
    path.chmod(0o600)
    run = run_with_file(tmp_path, path)
    assert run.code == 5
    assert 1 <= len(run.complaints) <= 20
    assert run.complaints[0].startswith(f"{path}:1:")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--protcol", "imap"], ['"--protcol"', '"--protocol"']),
        (["-X"], ['"-X"']),
        (["--timeout", "soon"], ['"soon"', "number"]),
        (["--protocol"], ["--protocol"]),
        (["--protocol", "carrier-pigeon"], ["carrier-pigeon"]),
    ],
)
def test_an_unusable_option_is_named(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    run = mailhaul(tmp_path, account(9, "mda cat"), *arguments)
    assert run.code == 5
    for word in words:
        assert word in run.complaint


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("protocol pop2 user joe", "protocol pop2"),
        ("protocol imap auth gssapi user joe", "auth gssapi"),
    ],
)
def test_an_unknown_option_is_named_with_its_place(tmp_path: Path, options: str, word: str) -> None:
    run = mailhaul(tmp_path, f"poll mail.example.org {options}\n")
    assert run.code == 5
    assert run.complaint.startswith(f"{tmp_path}/rc:1:")
    assert word in run.complaint
    assert "not supported" in run.complaint
    assert ";" in run.complaint


def test_a_server_that_the_rc_file_does_not_mention_is_asked_for_no_password(
    tmp_path: Path,
) -> None:
    run = mailhaul(tmp_path, account(9, "mda cat"), "other.example.org")
    assert run.code == 3
    assert "@other.example.org" in run.complaint
    assert "password" in run.complaint


def test_a_missing_home_is_named(tmp_path: Path) -> None:
    run = launch(tmp_path, environment={"HOME": str(tmp_path / "nowhere")}).finish()
    assert run.code == 23
    assert run.complaint == f"the home directory {tmp_path}/nowhere does not exist"
