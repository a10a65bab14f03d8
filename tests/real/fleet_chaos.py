"""Daemons that share one store, and what a test does to them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from mailhaul import imap
from mailhaul.adapters.postgres.accounts import Accounts, NewAccount
from mailhaul.adapters.postgres.database import Database
from mailhaul.adapters.postgres.schema import prepare
from mailhaul.servers.imap import CAPABILITIES, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

from .daemon import has_ended, until
from .servers.ours import Connection

LEASE = 5


class MailServer:
    """One IMAP server on loopback for each account: mailhaul's own, in memory."""

    def __init__(self) -> None:
        self.inboxes: dict[str, Mailbox] = {}
        self.ports: dict[str, int] = {}
        self.open: Counter[str] = Counter()
        self.twice = 0
        """How often two connections for one account were logged in at a time."""
        self._listeners: list[socket.socket] = []
        self._sent = 0

    def add(self, user: str) -> None:
        self.inboxes[user] = Mailbox()
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        self.ports[user] = listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(user, listener), daemon=True).start()

    def send(self, user: str) -> None:
        self._sent += 1
        text = f"From: a@example.org\r\nMessage-ID: <{self._sent}@{user}>\r\n\r\nhello\r\n"
        self.inboxes[user].append(text.encode())

    @property
    def sent(self) -> int:
        return self._sent

    def left(self) -> int:
        return sum(len(box.messages) for box in self.inboxes.values())

    def close(self) -> None:
        for listener in self._listeners:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, user: str, listener: socket.socket) -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(user, stream), daemon=True).start()

    def _serve(self, user: str, stream: socket.socket) -> None:
        connection = Connection(stream, imap.Server(), cast(Any, None))
        boxes = Mailboxes({b"INBOX": self.inboxes[user]})
        offers = (*CAPABILITIES, b"IDLE")
        users = {user.encode(): b"secret"}
        flow = serve_imap(cast(Any, connection.channel), boxes, users, capabilities=offers)
        self.open[user] += 1
        with suppress(Exception):
            connection.serve(flow)
        self.open[user] -= 1


class Fleet:
    """Machines with one store; here each is a daemon with a home of its own."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.mail = home / "mail"
        self.mail.mkdir()
        self.servers = MailServer()
        self.database = Database(url, prepare)
        self.accounts = Accounts(self.database)
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}

    def add(self, *users: str, idle: bool = False, options: str = "") -> None:
        """Make accounts, each with a server."""
        rows: list[NewAccount] = []
        for user in users:
            self.servers.add(user)
            port = self.servers.ports[user]
            text = (
                f"poll 127.0.0.1 protocol imap port {port} every 1s\n  user {user} pass secret"
                f" sslproto '' maildir \"{self.mail}/{user}\" {'idle' if idle else ''} {options}\n"
            )
            rows.append(NewAccount(f"{user}@127.0.0.1", text, "127.0.0.1", user, idle))
        self.accounts.add(rows)

    def folder(self, name: str) -> Path:
        folder = self.home / name
        if not folder.exists():
            folder.mkdir()
            rc = folder / "fetchmailrc"
            rc.write_text(
                f'set store "{self.url}"\nset lease {LEASE}\nset storefolders "{self.mail}"\n'
                f'set command print "echo secret"\nset daemon 60\nset logfile "{folder}/log"\n'
            )
            rc.chmod(0o600)
            (folder / "log").touch()
        return folder

    def environment(self, name: str) -> dict[str, str]:
        folder = self.folder(name)
        return {
            "PATH": os.defpath,
            "HOME": str(folder),
            "FETCHMAILHOME": str(folder),
            "LC_ALL": "C",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }

    def start(self, *names: str) -> None:
        for name in names:
            folder = self.folder(name)
            with (folder / "stderr").open("ab") as errors:
                self.daemons[name] = subprocess.Popen(
                    [sys.executable, "-m", "mailhaul", "-N"],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    env=self.environment(name),
                )

    def run(self, name: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on a machine."""
        return subprocess.run(
            [sys.executable, "-m", "mailhaul", *arguments],
            cwd=self.folder(name),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environment(name),
        )

    def status(self, name: str) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.run(name, "status", "--json").stdout))

    def log(self, name: str) -> str:
        errors = self.folder(name) / "stderr"
        return (self.folder(name) / "log").read_text() + errors.read_text()

    def signal(self, name: str, number: signal.Signals) -> None:
        self.daemons[name].send_signal(number)

    def kill(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.kill()
        daemon.wait(10)

    def end(self, name: str) -> None:
        """End a daemon in order."""
        daemon = self.daemons.pop(name)
        daemon.terminate()
        daemon.wait(40)

    def deliveries(self) -> Counter[str]:
        """Return how often each message was delivered, by its Message-ID."""
        found: Counter[str] = Counter()
        for path in self.mail.glob("*/new/*"):
            with suppress(FileNotFoundError):
                found[path.read_text().split("Message-ID: <")[1].split(">")[0]] += 1
        return found

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.database.write(lambda session: session.execute(statement, values).fetchall())

    def owners(self) -> Counter[str]:
        """Return how many accounts each live worker holds."""
        rows = self.sql(
            "SELECT w.name, count(*) FROM account a JOIN worker w ON w.id = a.owner"
            " WHERE w.expires > now() GROUP BY w.name"
        )
        return Counter(dict(rows))

    def close(self) -> None:
        for daemon in self.daemons.values():
            with suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGCONT)
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
        self.servers.close()
        self.database.close()


@contextmanager
def running(home: Path, url: str) -> Iterator[Fleet]:
    fleet = Fleet(home, url)
    try:
        yield fleet
    finally:
        fleet.close()


def wait_for(met: Callable[[], object], seconds: float, fleet: Fleet, names: Sequence[str]) -> None:
    """Wait until something is so; otherwise show what the daemons said."""
    try:
        until(met, seconds)
    except AssertionError:
        for name in names:
            print(f"--- {name}\n{fleet.log(name)[-4000:]}")
        print(fleet.sql("SELECT name, owner, epoch, due, failures, problem FROM account"))
        raise


__all__ = ["Fleet", "has_ended", "running", "time", "wait_for"]
