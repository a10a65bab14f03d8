"""The notifications to systemd, over a real datagram socket."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul.apps.daemon.notify import Notifier

SOON = 20.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SOON)
        yield manager


def hear(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_without_systemd_nothing_is_reported() -> None:
    Notifier({}).ready("fine")


def test_a_missing_service_manager_is_not_an_error(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("fine")


def test_a_name_in_the_abstract_name_space_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"mailhaul-test-{os.getpid()}"
        manager.bind(f"\0{name}")
        manager.settimeout(SOON)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).stopping()
        assert hear(manager) == ["STOPPING=1"]


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_watchdog_interval_is_in_the_environment(
    environ: dict[str, str], seconds: float
) -> None:
    assert Notifier(environ).watchdog == seconds


def test_a_service_reports_its_state_from_start_to_stop(
    tmp_path: Path, manager: socket.socket
) -> None:
    rc = tmp_path / "rc"
    rc.write_text(
        f'set daemon 300 set pidfile "{tmp_path}/pid"\n'
        "poll localhost port 9 protocol imap user joe password sesame\n"
    )
    rc.chmod(0o600)
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "-N", "-f", str(rc)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            "PATH": os.defpath,
            "HOME": str(tmp_path),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "200000",
        },
    )
    try:
        assert later(manager) == ["READY=1", "STATUS=1 polled, 0 failing, 0 with a refused login"]
        assert [hear(manager) for _ in range(2)] == [["WATCHDOG=1"]] * 2
        process.send_signal(signal.SIGHUP)
        told = later(manager)
        assert told[0] == "RELOADING=1"
        assert told[1].startswith("MONOTONIC_USEC=")
        assert later(manager)[0] == "READY=1"
        process.send_signal(signal.SIGTERM)
        assert later(manager)[0] == "STOPPING=1"
        assert process.wait(SOON) == 0
    finally:
        process.kill()
        process.wait()


def later(manager: socket.socket) -> list[str]:
    """Return the next notification except watchdog messages."""
    while (told := hear(manager)) == ["WATCHDOG=1"]:
        pass
    return told
