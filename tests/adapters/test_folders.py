"""Files in folders where others may write: whose links are followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailhaul.adapters import folders
from mailhaul.adapters.folders import open_own

FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND
STRANGER = 4242


def opened(path: Path) -> str:
    file = open_own(str(path), FLAGS)
    try:
        return os.readlink(f"/proc/self/fd/{file}")
    finally:
        os.close(file)


def test_links_of_the_user_are_followed(tmp_path: Path) -> None:
    os.symlink("two", tmp_path / "one")
    os.symlink(tmp_path / "three", tmp_path / "two")
    for _ in range(2):
        assert opened(tmp_path / "one") == str(tmp_path / "three")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("whose", ["link", "second link", "target"])
def test_links_of_strangers_and_to_their_files_are_not(tmp_path: Path, whose: str) -> None:
    os.symlink("two", tmp_path / "one")
    os.symlink("three", tmp_path / "two")
    (tmp_path / "three").touch()
    name = {"link": "one", "second link": "two", "target": "three"}[whose]
    os.chown(tmp_path / name, STRANGER, -1, follow_symlinks=False)
    with pytest.raises(PermissionError, match="a link of another user"):
        opened(tmp_path / "one")


def test_a_file_that_is_no_link_may_be_anybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox").touch()
    monkeypatch.setattr(folders, "is_ours", lambda status: False)
    assert opened(tmp_path / "inbox") == str(tmp_path / "inbox")


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    os.symlink("two", tmp_path / "one")
    os.symlink("one", tmp_path / "two")
    with pytest.raises(OSError, match="too many links"):
        opened(tmp_path / "one")


def test_an_open_file_of_ours_is_reached_through_its_number() -> None:
    reading, writing = os.pipe()
    assert opened(Path(f"/dev/fd/{writing}")).startswith("pipe:")
    os.close(reading)
    os.close(writing)
