"""Single runs over a store that several machines share: kills, crashes, and the commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mailhaul.apps.demo.main import imap_session, listen, smtp_session, write_rcfile
from mailhaul.flows.outcome import ExitCode
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, Received
from tests.real.servers.postgres import LOCKED, PASSWORD, Postgres

pytestmark = pytest.mark.real

COUNT = 20


class Arrivals(list[Received]):
    """Messages that arrive at the sink; ``at`` says what happens with which of them."""

    def __init__(self) -> None:
        self.at: dict[int, Callable[[], object]] = {}

    def append(self, message: Received) -> None:
        super().append(message)
        self.at.pop(len(self), lambda: None)()


class World:
    """A mailbox, a listener, and mailhaul between them."""

    def __init__(self, home: Path, url: str, cleanup: ExitStack) -> None:
        texts = [b"Subject: %d\r\n\r\nhello\r\n" % number for number in range(COUNT)]
        self.inbox = Mailbox(texts)
        boxes = Mailboxes({b"INBOX": self.inbox, b"Tickets": Mailbox([])})
        self.arrivals = Arrivals()
        sink = MemorySink(messages=self.arrivals)
        port = listen(cleanup, lambda: imap_session(boxes))
        self.home = home
        self.rc = write_rcfile(home, port, listen(cleanup, lambda: smtp_session(sink)))
        self.rc.write_text(f'set store "{url}"\n{self.rc.read_text()}')
        self.process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mailhaul", *words],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def run(self, *words: str) -> tuple[int, str]:
        """Run mailhaul; return its exit code and all that it has printed."""
        process = self.start(*(words or ("-f", str(self.rc))))
        out, err = process.communicate()
        assert PASSWORD not in out + err
        return process.returncode, out + err

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self.process
        self.process.send_signal(number)

    @property
    def subjects(self) -> set[bytes]:
        """What has arrived."""
        return {one.text.partition(b"Subject: ")[2].split(b"\r\n")[0] for one in self.arrivals}

    @property
    def left(self) -> set[bytes]:
        """What is in the mailbox."""
        messages = list(self.inbox.messages)
        return {one.text.partition(b"Subject: ")[2].split(b"\r\n")[0] for one in messages}


ALL = {b"%d" % number for number in range(COUNT)}


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    with ExitStack() as cleanup:
        yield World(tmp_path, store_url, cleanup)


def test_nothing_is_lost_by_a_kill_nor_by_a_crash_of_the_database(
    world: World, postgres: Postgres
) -> None:
    world.arrivals.at[7] = world.kill
    code, _ = world.run()
    assert code == -signal.SIGKILL
    assert world.left | world.subjects == ALL
    assert world.process
    # Until its lease is over, the killed run might only be slow.
    killed = world.process.pid
    code, output = world.run()
    assert code == ExitCode.EXCLUDE
    assert f":{killed}) is polling this account" in output
    before = len(world.arrivals)
    postgres.sql("UPDATE mailhaul.worker SET expires = now()")

    def crash() -> None:
        postgres.crash()
        postgres.start()

    world.arrivals.at[before + 5] = crash
    code, output = world.run()
    assert code == ExitCode.IOERR
    assert "store postgresql://mailhaul@/mailhaul: " in output
    assert world.left | world.subjects == ALL
    assert world.left != set()
    postgres.sql("UPDATE mailhaul.worker SET expires = now()")
    code, _ = world.run()
    assert code == ExitCode.SUCCESS
    assert (world.left, world.subjects) == (set(), ALL)
    # What was on its way at the kill and at the crash came twice, and no more.
    assert len(world.arrivals) <= COUNT + 12
    assert world.run()[0] == ExitCode.NOMAIL
    held = "SELECT count(*) FROM mailhaul.{}"
    for what in ("account WHERE owner IS NOT NULL", "lock", "worker WHERE expires > now()"):
        assert postgres.sql(held.format(what)) == "0\n"


def test_a_run_that_is_ended_gives_everything_back_at_once(
    world: World, postgres: Postgres
) -> None:
    world.arrivals.at[5] = lambda: world.kill(signal.SIGTERM)
    code, output = world.run()
    assert code not in {0, -signal.SIGTERM}, output
    assert "Traceback" not in output
    for what in ("account WHERE owner IS NOT NULL", "lock", "worker"):
        assert postgres.sql(f"SELECT count(*) FROM mailhaul.{what}") == "0\n"
    assert world.left | world.subjects == ALL
    assert world.run()[0] == ExitCode.SUCCESS
    assert (world.left, world.subjects) == (set(), ALL)


def test_every_command_uses_the_store_and_shows_no_password(
    world: World, postgres: Postgres
) -> None:
    postgres.sql(f"GRANT ALL ON SCHEMA mailhaul TO {LOCKED}")
    postgres.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA mailhaul TO {LOCKED}")
    url = postgres.url_of("mailhaul", f"{LOCKED}:{PASSWORD}")
    world.rc.write_text(world.rc.read_text().replace(postgres.url, url))
    rc = ("-f", str(world.rc))
    code, output = world.run("--dry-run", *rc)
    assert (code, f"Dry run: {COUNT} messages" in output) == (0, True), output
    assert postgres.sql("SELECT count(*) FROM mailhaul.mailbox") == "0\n"
    assert world.run("--keep", "-v", "-v", *rc)[0] == ExitCode.SUCCESS
    shown = {
        ("--dry-run", *rc): "0 messages would be fetched",
        ("status", *rc): "SUCCESS",
        ("ledger", *rc): "imap you@localhost:",
        ("quarantine", *rc): "nothing is in quarantine",
        ("check", *rc): f"postgresql://{LOCKED}@/mailhaul, PostgreSQL",
        ("-V", *rc): f"The ledger is in postgresql://{LOCKED}@/mailhaul\n",
        ("--configdump", *rc): "fetchmailrc = {",
        ("--configdump=json", *rc): f'"store": "postgresql://{LOCKED}@/mailhaul"',
    }
    for words, part in shown.items():
        code, output = world.run(*words)
        assert part in output, (words, output)
    assert not (world.home / "state" / "mailhaul" / "ledger.db").exists()


def test_a_test_run_leaves_no_record(world: World, postgres: Postgres) -> None:
    query = "SELECT last_poll, last_code, owner FROM mailhaul.account"
    code, _ = world.run("-f", str(world.rc), "--check")
    assert code == ExitCode.SUCCESS
    assert postgres.sql(query).strip() == "||"
    assert world.left == ALL


def test_what_a_file_knows_is_taken_over(world: World, postgres: Postgres) -> None:
    usual = world.rc.read_text().partition("\n")[2]
    shared = world.rc.read_text()
    entry = "--keep", "--fetchread"
    world.rc.write_text(usual)
    assert world.run(*entry, "-f", str(world.rc))[0] == ExitCode.SUCCESS
    assert len(world.arrivals) == COUNT
    code, output = world.run("ledger", "import", "-f", str(world.rc))
    assert (code, "names no database" in output) == (ExitCode.SYNTAX, True)
    world.rc.write_text(shared)
    code, output = world.run("ledger", "import", "-f", str(world.rc))
    assert (code, f"with {COUNT} record(s) are in the store" in output) == (0, True), output
    assert world.run(*entry, "-f", str(world.rc))[0] == ExitCode.NOMAIL
    assert len(world.arrivals) == COUNT
    code, output = world.run("ledger", "import", "-f", str(world.rc))
    assert "has records of this account; they stay" in output


def test_a_store_that_cannot_be_reached_ends_in_one_line(world: World, postgres: Postgres) -> None:
    missing = postgres.url_of("no-such-database", f"joe:{PASSWORD}")
    world.rc.write_text(world.rc.read_text().replace(postgres.url, missing))
    code, output = world.run()
    assert code == ExitCode.IOERR
    assert len(output.splitlines()) == 1
    assert "create it with create" in output
    assert world.left == ALL


def test_without_psycopg_the_extra_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['psycopg'] = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    code, output = world.run()
    assert code == ExitCode.SYNTAX
    assert "pip install mailhaul[postgres]" in output
