"""A network that is cut at random moments, between real servers: nothing is lost.

Each line runs through a process of its own, which crashes, resets its connections, or stands still.
Few cuts here, 200 for each way with ``make soak``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .course import Course, check
from .servers import line
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim
from .servers.process import free_ports

pytestmark = pytest.mark.real

CUTS = 200 if os.environ.get("MAILHAUL_SOAK") else 6
ENDS = {0, 1, 2, 10}
"""Exit codes of a run whose line was cut: it was over, its server is gone, its listener is gone."""


class Line:
    """A line from a port of its own to that of a server."""

    def __init__(self, to: int) -> None:
        (self.port,) = free_ports(1)
        self._to = to
        self._process: subprocess.Popen[bytes] | None = None

    def mend(self) -> None:
        """Have a line that is not cut."""
        if self._process:
            return
        self._process = subprocess.Popen(
            [sys.executable, line.__file__, str(self.port), str(self._to)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"listening\n"
        self._process.stdout.close()

    def cut(self, number: signal.Signals) -> None:
        """Cut it; one that stands still goes on standing until ``bury``."""
        assert self._process
        self._process.send_signal(number)
        if number is not signal.SIGSTOP:
            self.bury()

    def bury(self) -> None:
        """End what is left of it."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def lay() -> Iterator[Callable[[int], Line]]:
    """Lay lines that are taken up in the end."""
    lines: list[Line] = []

    def lay_one(to: int) -> Line:
        lines.append(Line(to))
        lines[-1].mend()
        return lines[-1]

    yield lay_one
    for one in lines:
        one.bury()


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "cuts", certificates.good)
    with server.running():
        yield server


def cutting(course: Course, line: Line, *ways: signal.Signals) -> Callable[[float], None]:
    """Return what cuts a line some seconds after the start of a run, in one way after the other."""

    def strike(seconds: float) -> None:
        line.mend()
        process = course.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            line.cut(ways[course.hits % len(ways)])
            course.hits += 1
        # The answer to POP3's QUIT is waited for a minute, whatever the timeout is.
        _, err = process.communicate(timeout=150)
        course.cut += course.under_way()
        line.bury()
        line.mend()
        assert process.returncode in ENDS, err
        assert b"Traceback" not in err
        if process.returncode > 1:
            assert b"localhost" in err

    return strike


SUDDEN = (signal.SIGKILL, signal.SIGUSR1)
SILENT = (*SUDDEN, *SUDDEN, signal.SIGSTOP)
# After QUIT a silent POP3 server is waited for a minute each time.
SILENT_IN_POP3 = (*SUDDEN * 10, signal.SIGSTOP) if os.environ.get("MAILHAUL_SOAK") else SUDDEN


def test_the_line_to_imap_is_cut_on_the_way_to_a_maildir(
    lay: Callable[[int], Line], dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    line = lay(dovecot.imap_port)
    box = tmp_path / "Mail" / "new"
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol IMAP port {line.port} timeout 1\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto '' maildir Mail\n",
        dovecot,
        user,
        lambda: [path.read_bytes() for path in box.iterdir()],
    )
    check(course, course.endure(CUTS, cutting(course, line, *SILENT)), duplicates=0)


def test_the_line_to_pop3_is_cut_on_the_way_to_smtp(
    lay: Callable[[int], Line], services: DovecotServices, exim: Exim, tmp_path: Path
) -> None:
    line = lay(services.pop3_port)
    user = services.new_user()
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol POP3 port {line.port} timeout 1\n"
        f"  user {user} password \"{services.password}\" is bob here sslproto ''\n"
        f"  smtphost localhost/{exim.port}\n",
        services,
        user,
        lambda: [one.data for one in exim.delivered()],
    )
    check(course, course.endure(CUTS, cutting(course, line, *SILENT_IN_POP3)), duplicates=0)


def test_the_line_to_an_smtp_listener_is_cut(
    lay: Callable[[int], Line], dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path
) -> None:
    line = lay(exim.port)
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is bob here sslproto ''\n"
        f"  smtphost localhost/{line.port}\n",
        dovecot,
        user,
        lambda: [one.data for one in exim.delivered()],
    )
    arrived = course.endure(CUTS, cutting(course, line, *SUDDEN))
    check(course, arrived, duplicates=course.hits)


def test_the_line_to_an_lmtp_listener_is_cut(
    lay: Callable[[int], Line], dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    other = dovecot.new_user()
    line = lay(dovecot.lmtp_port)
    course = Course(
        tmp_path,
        f"poll localhost no dns protocol IMAP port {dovecot.imap_port}\n"
        f"  user {user} password \"{dovecot.password}\" is {other} here sslproto ''\n"
        f"  lmtp smtphost localhost/{line.port} smtpaddress x\n",
        dovecot,
        user,
        lambda: dovecot.messages(other),
    )
    arrived = course.endure(CUTS, cutting(course, line, *SUDDEN))
    check(course, arrived, duplicates=course.hits)
