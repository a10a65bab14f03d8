"""PostgreSQL of Debian's package, with a data folder of its own and a UNIX socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from glob import glob
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from .process import OWNER, PACE_SECONDS, START_SECONDS, STOP_SECONDS, ServerFailed

if TYPE_CHECKING:
    from mailhaul.adapters.postgres.database import Database
    from mailhaul.adapters.postgres.session import Session

BINARIES = "/usr/lib/postgresql/*/bin"
OWNER_IF_ROOT = OWNER if os.geteuid() == 0 else None
"""PostgreSQL refuses root."""
PORT = 5432
"""A part of the socket's name; nothing listens at a port."""
LOCKED, PASSWORD = "locked", "correct-horse"
"""A user who must give a password; all others are believed."""
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "fsync": "on",
    "max_wal_size": "256MB",
    "logging_collector": "off",
    "log_min_messages": "fatal",
    "autovacuum_naptime": "1d",
    # What nobody waits for is written as late as possible, so that a crash shows it.
    "wal_writer_delay": "10s",
    "wal_writer_flush_after": "0",
}
ACCESS = f"local all {LOCKED} scram-sha-256\nlocal all all trust\n"


class Postgres:
    """A server, and its databases. ``url`` is that of the database ``mailhaul``."""

    def __init__(self, folder: Path) -> None:
        """Make a data folder below ``folder``, a short path that everybody may enter."""
        found = sorted(glob(BINARIES), key=lambda path: int(path.split("/")[-2]))
        if not found:
            raise ServerFailed(f"{BINARIES} is not installed; run tests/real/install.sh as root")
        self._bin = found[-1]
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "log"
        self._names = count(1)
        folder.mkdir(mode=0o755)
        if OWNER_IF_ROOT:
            shutil.chown(folder, OWNER, OWNER)
        where = ("-D", str(self._data))
        self._run("initdb", *where, "-U", "mailhaul", "-A", "trust", "-N", "-E", "UTF8")
        lines = {**SETTINGS, "unix_socket_directories": f"'{folder}'"}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in lines.items())
        (self._data / "pg_hba.conf").write_text(ACCESS)
        self._process: subprocess.Popen[bytes] | None = None
        self._emptying: Database | None = None

    def url_of(self, database: str, user: str = "mailhaul") -> str:
        """Return the URL of a database."""
        return f"postgresql://{user}@/{database}?host={self._folder}&port={PORT}"

    @property
    def url(self) -> str:
        """The URL of the database that is there from the beginning."""
        return self.url_of("mailhaul")

    def new_database(self) -> str:
        """Return the URL of a new, empty database."""
        name = f"test{next(self._names)}"
        self.sql(f'CREATE DATABASE "{name}"', "postgres")
        return self.url_of(name)

    def empty(self) -> None:
        """Make the tables of ``url``, if they are missing, and delete all rows."""
        from mailhaul.adapters.postgres.database import Database
        from mailhaul.adapters.postgres.schema import prepare

        if self._emptying is None:
            self._emptying = Database(self.url, prepare)
        self._emptying.write(delete_all)
        self._emptying.commit_durably()

    def sql(self, statement: str, database: str = "mailhaul") -> str:
        """Execute statements; return what psql prints of the rows."""
        return self._run("psql", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement,
                         self.url_of(database))  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server until the end of the block."""
        self.start()
        try:
            self.sql("CREATE DATABASE mailhaul", "postgres")
            self.sql(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'", "postgres")
            yield
        finally:
            if self._emptying:
                self._emptying.close()
            self.stop()

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [f"{self._bin}/postgres", "-D", str(self._data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=OWNER_IF_ROOT,
                group=OWNER_IF_ROOT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(PACE_SECONDS)
                deadline = 0.0
            if time.monotonic() > deadline:
                wrote = self._log.read_text(errors="replace")[-2000:]
                raise ServerFailed(f"PostgreSQL does not start; it wrote:\n{wrote}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT in order, SIGQUIT as in a crash, whose recovery comes next."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_SECONDS)
            self._process = None

    def crash(self) -> None:
        """Kill all its processes at once, as a power failure would; what is in files stays."""
        assert self._process
        os.killpg(self._process.pid, signal.SIGSTOP)
        children = self._children()
        for pid in (self._process.pid, *children):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server, and start it again."""
        self.stop(how)
        self.start()

    def _children(self) -> Sequence[int]:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def _is_ready(self) -> bool:
        command = [f"{self._bin}/pg_isready", "-q", "-h", str(self._folder), "-p", str(PORT)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [f"{self._bin}/{program}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self._folder,
            user=OWNER_IF_ROOT,
            group=OWNER_IF_ROOT,
        )
        if done.returncode:
            raise ServerFailed(f"{program} failed: {done.stderr.strip()}")
        return done.stdout


def delete_all(session: Session) -> None:
    """Delete the rows of all tables but that of the version."""
    rows = session.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'mailhaul' AND tablename <> 'version'"
    ).fetchall()
    for (table,) in rows:
        session.execute(f"DELETE FROM {table}")
