"""A new rc file is there as a whole or not at all, and nobody else can read it."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path

import pytest

from mailhaul.adapters.config.errors import ConfigRefused
from mailhaul.adapters.config.rcfile_writer import RcFileExists, append_to_rcfile, create_rcfile

OLD = b"poll mail.example.org\n"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "rc"
    before = os.umask(0)
    try:
        create_rcfile(str(path), OLD)
    finally:
        os.umask(before)
    assert (path.read_bytes(), mode(path), os.listdir(tmp_path)) == (OLD, 0o600, ["rc"])


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "rc"
    path.write_bytes(OLD)
    with pytest.raises(RcFileExists):
        create_rcfile(str(path), b"other")
    dangling = tmp_path / "link"
    dangling.symlink_to("nowhere")
    with pytest.raises(RcFileExists):
        create_rcfile(str(dangling), b"other")
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == (OLD, ["link", "rc"])


def test_another_file_of_the_user_stays(tmp_path: Path) -> None:
    (tmp_path / "rc.new").write_bytes(b"a draft")
    create_rcfile(str(tmp_path / "rc"), OLD)
    append_to_rcfile(str(tmp_path / "rc"), OLD, b"more\n")
    assert sorted(os.listdir(tmp_path)) == ["rc", "rc.new"]
    assert (tmp_path / "rc.new").read_bytes() == b"a draft"


@pytest.mark.parametrize("before", [OLD, OLD.rstrip(b"\n"), b""])
def test_what_is_appended_begins_on_its_own_line(tmp_path: Path, before: bytes) -> None:
    real = tmp_path / "dotfiles"
    real.write_bytes(before)
    real.chmod(0o700)
    path = tmp_path / "rc"
    path.symlink_to("dotfiles")
    append_to_rcfile(str(path), before, b"poll other\n")
    assert real.read_bytes() == before.rstrip(b"\n") + b"\n" * bool(before) + b"poll other\n"
    assert (path.is_symlink(), mode(real)) == (True, 0o700)


def test_a_file_that_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rc"
    path.write_bytes(OLD)
    with pytest.raises(ConfigRefused, match="changed meanwhile") as refused:
        append_to_rcfile(str(path), b"poll earlier\n", b"poll other\n")
    assert (refused.value.exit_code, path.read_bytes()) == (6, OLD)


@pytest.mark.parametrize("what", ["write", "fsync", "link", "replace"])
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "rc"
    if what == "replace":
        path.write_bytes(OLD)
    monkeypatch.setattr(os, what, fail)
    append = partial(append_to_rcfile, str(path), OLD, b"poll other\n")
    act = append if what == "replace" else partial(create_rcfile, str(path), OLD)
    with pytest.raises(ConfigRefused, match="No space left on device; nothing was changed"):
        act()
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [OLD] * (what == "replace")


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match="No such file or directory"):
        create_rcfile(str(tmp_path / "none" / "rc"), OLD)
