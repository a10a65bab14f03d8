"""Owner and permissions of the rc file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters.config.rcfile import RcFileRefused, folder_of, read_rcfile

UID = os.geteuid()


def no_stdin() -> bytes:
    raise AssertionError("the standard input is not wanted")


@pytest.fixture
def rcfile(tmp_path: Path) -> Path:
    path = tmp_path / "rc"
    path.write_bytes(b"poll h\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o700, 0o400, 0o710])
def test_a_private_file_is_read(rcfile: Path, mode: int) -> None:
    rcfile.chmod(mode)
    assert read_rcfile(str(rcfile), UID, no_stdin) == b"poll h\n"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o601, 0o660, 0o620, 0o602])
def test_a_file_that_others_can_use_is_refused(rcfile: Path, mode: int) -> None:
    rcfile.chmod(mode)
    with pytest.raises(RcFileRefused) as caught:
        read_rcfile(str(rcfile), UID, no_stdin)
    assert str(caught.value) == (
        f"File {rcfile} must have no more than -rwx------ (0700) permissions. "
        f'Type "chmod 600 {rcfile}"'
    )
    assert caught.value.exit_code == 6


def test_a_file_of_another_user_is_refused(rcfile: Path) -> None:
    with pytest.raises(RcFileRefused, match="must be owned by you"):
        read_rcfile(str(rcfile), UID + 1, no_stdin)


def test_an_unchecked_file_of_another_user_is_read(rcfile: Path) -> None:
    rcfile.chmod(0o666)
    assert read_rcfile(str(rcfile), UID + 1, no_stdin, checked=False) == b"poll h\n"


@pytest.mark.parametrize("checked", [True, False])
def test_a_folder_is_refused(tmp_path: Path, checked: bool) -> None:
    with pytest.raises(RcFileRefused, match="must be a regular file"):
        read_rcfile(str(tmp_path), UID, no_stdin, checked=checked)


def test_a_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path, 0o600)
    with pytest.raises(RcFileRefused, match="must be a regular file"):
        read_rcfile(str(path), UID, no_stdin)


def test_the_target_of_a_link_is_checked(rcfile: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(rcfile)
    assert read_rcfile(str(link), UID, no_stdin) == b"poll h\n"
    rcfile.chmod(0o644)
    with pytest.raises(RcFileRefused):
        read_rcfile(str(link), UID, no_stdin)


def test_a_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_rcfile(str(tmp_path / "none"), UID, no_stdin) == b""


def test_a_file_below_a_file_is_refused(rcfile: Path) -> None:
    with pytest.raises(RcFileRefused, match="cannot be read: Not a directory"):
        read_rcfile(str(rcfile / "rc"), UID, no_stdin)


def test_the_null_device_and_the_standard_input_are_not_checked() -> None:
    assert read_rcfile("/dev/null", UID, no_stdin) == b""
    assert read_rcfile("-", UID, lambda: b"poll h") == b"poll h"


def test_the_folder_of_a_file_is_that_of_its_name() -> None:
    assert folder_of("/home/me/.fetchmailrc") == "/home/me"
    assert folder_of("/rc") == "/"
    assert folder_of("-") is None
