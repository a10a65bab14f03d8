"""Files that are read by name must be regular files of bounded size."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailhaul.adapters import files
from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.rcfile import RcFileRefused, read_rcfile
from mailhaul.adapters.config.secrets import SecretReader
from mailhaul.adapters.files import read_file, refuse_special_files
from mailhaul.adapters.login.reach import refuse_odd_certificates
from mailhaul.flows.outcome import ExitCode, PollFailed


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def terminal(path: Path) -> None:
    path.symlink_to("/dev/ptmx")


def folder(path: Path) -> None:
    path.mkdir()


def large(path: Path) -> None:
    with path.open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    path.chmod(0o600)


ODD = [pipe, device, terminal, folder, large]
Make = Callable[[Path], None]


@pytest.mark.parametrize("make", ODD)
def test_what_has_no_end_is_not_read(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "odd")
    with pytest.raises(OSError, match=r"not a regular file|more than 1000 octets"):
        read_file(str(tmp_path / "odd"), 1000, pipe=True)


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    assert read_file(str(tmp_path / "file"), 1000) == b"x" * 1000
    with pytest.raises(OSError, match="more than 999 octets"):
        read_file(str(tmp_path / "file"), 999)


def test_an_empty_device_is_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "ids").symlink_to("/dev/null")
    assert read_file(str(tmp_path / "ids"), 10) == b""


def test_a_pipe_among_our_descriptors_is_meant() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"poll h")
    os.close(writing)
    try:
        with pytest.raises(OSError, match="not a regular file"):
            read_file(f"/dev/fd/{reading}", 100)
        assert read_rcfile(f"/dev/fd/{reading}", os.geteuid(), bytes) == b"poll h"
    finally:
        os.close(reading)


@pytest.mark.parametrize("make", ODD)
def test_no_odd_rc_file(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "rc")
    for checked in (True, False):
        with pytest.raises(RcFileRefused):
            read_rcfile(str(tmp_path / "rc"), os.geteuid(), bytes, checked=checked)


@pytest.mark.parametrize("make", ODD)
def test_an_odd_netrc_is_told_of_and_the_rest_goes_on(tmp_path: Path, make: Make) -> None:
    make(tmp_path / ".netrc")
    caller = Caller("joe", os.geteuid(), str(tmp_path))
    text = b"poll h proto imap user u poll i proto imap user v password p"
    account, _ = load(["-f", "-"], caller, lambda: text).accounts
    warnings: list[str] = []
    for _ in range(2):
        reader = SecretReader(account, "password", str(tmp_path))
        assert reader.read() is None
        warnings += reader.warnings
    (warning,) = warnings
    assert warning.startswith(f"{tmp_path}/.netrc: warning: it cannot be read: ")


@pytest.mark.parametrize("make", ODD)
def test_no_odd_file_of_a_password(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "secret")
    caller = Caller("joe", os.geteuid(), str(tmp_path))
    text = f'poll h proto imap user u passwordfile "{tmp_path}/secret"'.encode()
    (account,) = load(["-f", "-"], caller, lambda: text).accounts
    with pytest.raises(PollFailed, match=r"not a regular file|more than"):
        SecretReader(account, "password", str(tmp_path)).read()


@pytest.mark.parametrize("make", [pipe, device, terminal, folder, large])
def test_no_odd_certificate(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    make(tmp_path / "odd")
    with pytest.raises(PollFailed, match=r"cannot load .*odd: ") as caught:
        refuse_odd_certificates(None, str(tmp_path / "odd"))
    assert caught.value.code is ExitCode.SOCKET
    refuse_odd_certificates(None, str(tmp_path / "not there"), "/dev/null")


def test_who_reads_for_us_is_told_nothing_of_what_is_not_there(tmp_path: Path) -> None:
    refuse_special_files([None, "", str(tmp_path / "none")], files.SMALL)
