"""Run the mailhaul command as cron would, and check what holds for every run, good or bad."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECRET = "sesame-7Kq-opens"
"""The password of every account here: it must never be printed."""
USUAL_SECONDS = 10.0
"""Nothing here may take longer, unless a test says so."""


@dataclass(frozen=True)
class Run:
    """What one run did. ``left`` names the processes of its session that outlived it."""

    code: int
    out: str = field(repr=False)
    err: str
    left: tuple[str, ...]
    seconds: float

    @property
    def complaint(self) -> str:
        """The one line on standard error, without the program's name."""
        [line] = self.complaints
        return line

    @property
    def complaints(self) -> list[str]:
        """The lines on standard error, without the program's name."""
        return [line.removeprefix("mailhaul: ") for line in self.err.splitlines()]


@dataclass(frozen=True)
class Started:
    """A run that has not ended."""

    process: subprocess.Popen[bytes]
    home: Path
    since: float

    def finish(self, within: float = USUAL_SECONDS) -> Run:
        """Wait for the end, and check what must hold for every run."""
        try:
            code = self.process.wait(within + 20)
        finally:
            self.process.kill()
            self.process.wait()
        seconds = time.monotonic() - self.since
        out, err = (
            (self.home / name).read_bytes().decode("utf-8", "surrogateescape")
            for name in ("out", "err")
        )
        run = Run(code, out, err, tuple(members(self.process.pid)), seconds)
        for text in (out, err):
            assert "Traceback" not in text
            assert "internal error" not in text
            assert SECRET not in text
            assert all(c.isprintable() or c == "\n" for c in text), ascii(text)
        assert all(line.startswith("mailhaul: ") for line in err.splitlines()), err
        assert run.left == ()
        assert seconds < within, f"took {seconds:.1f} seconds"
        return run


def start(
    home: Path,
    rc: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    starter: Sequence[str] = (),
) -> Started:
    """Start ``mailhaul -f RCFILE ARGUMENTS`` in a new session, without a terminal."""
    path = home / "rc"
    if path.is_symlink() or not path.exists() or path.is_file():
        path.write_text(rc)
        path.chmod(0o600)
    # Where tests run as root, the usual pidfile is that of a daemon that is none of theirs.
    own = ("--pidfile", str(home / "pid"))
    return launch(home, "-f", str(path), *own, *arguments, environment=environment, starter=starter)


def launch(
    home: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    starter: Sequence[str] = (),
) -> Started:
    """Start ``mailhaul ARGUMENTS``; all its files stay below ``home``.

    ``starter`` is a command that executes its other arguments.
    """
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        process = subprocess.Popen(
            [*starter, sys.executable, "-m", "mailhaul", *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(home),
                "LC_ALL": "C",
                # The code of this checkout, wherever another one is installed.
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
                **(environment or {}),
            },
        )
    return Started(process, home, time.monotonic())


def mailhaul(
    home: Path,
    rc: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    within: float = USUAL_SECONDS,
    starter: Sequence[str] = (),
) -> Run:
    """Run ``mailhaul -f RCFILE ARGUMENTS`` and wait for its end."""
    run = start(home, rc, *arguments, environment=environment, starter=starter)
    return run.finish(within)


def members(session: int) -> Iterable[str]:
    """Yield the command lines of the running processes in a session."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) != session:
                continue
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        # A process that has ended and waits to be reaped has no command line any more.
        if any(words):
            yield b" ".join(words).decode(errors="replace")


def script(path: Path, text: str) -> Path:
    """Write an executable shell script and return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def account(port: int, sink: str, options: str = "sslproto ''", server: str = "timeout 2") -> str:
    """Return an rc file with one account on a scripted server, delivering to ``sink``."""
    return (
        f"poll localhost port {port} protocol imap {server}\n"
        f'  user joe password "{SECRET}" is joe here {options}\n'
        f"  {sink}\n"
    )


def piped(plugin: str, sink: str = "mda cat", options: str = "sslproto ''") -> str:
    """Return an rc file with one account that uses a plugin."""
    return (
        f'poll mail.example.org protocol imap timeout 2 plugin "{plugin}"\n'
        f'  user joe password "{SECRET}" is joe here {options}\n'
        f"  {sink}\n"
    )
