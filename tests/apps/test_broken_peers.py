"""Bad input and broken peers: one clear line, fetchmail's exit code, and the mail stays."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.smtp.commands import Data, EndOfData, Heard, Mail, Rcpt
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.imap import Misbehaviour, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.smtp import MemorySink, serve_smtp

TEXT = b"From: ann@example.org\r\nTo: bob@example.org\r\n\r\nsecret text\r\n"
SECRET = "sesame-9"


class Site:
    """A home, an IMAP server with three messages and an SMTP server; ``run`` runs mailhaul."""

    def __init__(self, folder: Path, cleanup: ExitStack) -> None:
        self.home = folder
        self.mailbox = Mailbox([TEXT, TEXT, TEXT], uidvalidity=3)
        self.misbehaviour = Misbehaviour()
        self.received = MemorySink()
        self._cleanup = cleanup
        self.imap = self.listen(lambda connection: self._serve(connection, self._imap()))
        self.smtp = self.listen(lambda connection: self._serve(connection, self._smtp()))

    def _imap(self) -> tuple[Channel[Any], Any]:
        channel = Channel("client", ImapServer())
        mailboxes = Mailboxes({b"INBOX": self.mailbox})
        users = {b"joe": SECRET.encode()}
        return channel, serve_imap(channel, mailboxes, users, self.misbehaviour)

    def _smtp(self) -> tuple[Channel[Any], Any]:
        channel = Channel("client", SmtpServer())
        return channel, serve_smtp(channel, self.received)

    @staticmethod
    def _serve(connection: socket.socket, session: tuple[Channel[Any], Any]) -> None:
        channel, flow = session
        engine = Engine(time.monotonic)
        engine.adopt(channel, connection)
        blocking.run(flow, engine)

    def listen(self, peer: Callable[[socket.socket], None]) -> int:
        """Serve every connection to a new port with ``peer``, each in its own thread."""
        listener = self._cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve(connection: socket.socket) -> None:
            try:
                with connection:
                    peer(connection)
            except OSError:
                pass  # the client went away, as it should

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        self._cleanup.callback(listener.shutdown, socket.SHUT_RDWR)
        return int(listener.getsockname()[1])

    def entry(self, server: str = "", user: str = "", sink: str = "") -> str:
        server = server or f"port {self.imap}"
        sink = sink or f"smtphost localhost/{self.smtp}"
        user = user or f"user joe password \"{SECRET}\" sslproto ''"
        return f"poll localhost protocol imap {server}\n  {user}\n  is bob {sink}\n"

    def start(self, rc: str) -> subprocess.Popen[str]:
        path = self.home / "rc"
        path.write_text(rc)
        path.chmod(0o600)
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(self.home), "TMPDIR": str(self.home)},
            start_new_session=True,
        )

    def run(self, rc: str) -> tuple[int, str, str]:
        with self.start(rc) as process:
            out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        assert SECRET not in out + err
        assert "secret text" not in out + err
        assert all(c.isprintable() or c == "\n" for c in out + err)
        return process.returncode, out, err

    def fails(self, rc: str, code: int, *said: str, lines: int = 1) -> None:
        """Run; expect this exit code, this number of error lines, and no deleted mail."""
        got, _, err = self.run(rc)
        assert (got, len(err.splitlines())) == (code, lines), err
        for words in said:
            assert words in err
        assert [m.uid for m in self.mailbox.messages] == [1, 2, 3]
        assert not any(message.flags for message in self.mailbox.messages)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as cleanup:
        yield Site(tmp_path, cleanup)


def script(site: Site, body: str) -> str:
    """Write a plugin in Python and return the server options that use it."""
    path = site.home / "plugin.py"
    path.write_text(f"import os, signal, sys, time\n{body}\n")
    return f'plugin "{sys.executable} {path}" preauth ssh timeout 1'


def says(*lines: bytes) -> Callable[[socket.socket], None]:
    """Return a peer that sends lines, each except the first after it has received data."""

    def peer(connection: socket.socket) -> None:
        for line in lines:
            connection.sendall(line)
            connection.recv(65536)
        while connection.recv(65536):
            pass

    return peer


# Plugins


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.stderr.write('Host key verification failed.\\n'); sys.exit(255)", "status 255"),
        ("sys.stderr.write('Host key verification failed.\\n'); sys.exit(255)", "Host key ver"),
        ("print('* OK half a gree', end='', flush=True)", "before the greeting"),
        ("print('* PREAUTH x', end='\\r\\n', flush=True); sys.stdin.readline()", "unanswered"),
        ("sys.stderr.write('asking\\x1b[2J you\\n'); time.sleep(99)", "timeout after 1 seconds"),
        ("sys.stderr.write('asking\\x1b[2J you\\n'); time.sleep(99)", "asking\\x1b[2J you"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile 1: time.sleep(9)", "timeout"),
        ("os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
def test_the_stderr_of_a_failed_plugin_is_shown(site: Site, body: str, said: str) -> None:
    site.fails(site.entry(script(site, body), "no rewrite"), 2, said)


def test_a_plugin_that_does_not_exist_is_named(site: Site) -> None:
    server = 'plugin "no-such-program -x" preauth ssh'
    site.fails(site.entry(server, "no rewrite"), 2, 'program "no-such-program" not found')


def test_an_empty_plugin_is_reported(site: Site) -> None:
    site.fails(site.entry('plugin "" preauth ssh', "no rewrite"), 2, "is empty, cannot run")


# The server


@pytest.mark.parametrize(
    ("greeting", "code", "said"),
    [
        (b"+OK POP3 ready\r\n", 4, "looks like POP3"),
        (b"220 mail ESMTP\r\n", 4, "looks like SMTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 4, "looks like SSH"),
        (b"* BYE no more \x1b[31mroom\r\n", 2, "no more \\x1b[31mroom"),
        (b"x" * 100_000, 4, "exceeds the limit"),
    ],
)
def test_an_invalid_greeting_is_reported(site: Site, greeting: bytes, code: int, said: str) -> None:
    port = site.listen(says(greeting))
    site.fails(site.entry(f"port {port}"), code, said)


def test_a_refused_login_is_reported_without_the_echoed_password(site: Site) -> None:
    greeting = b"* OK [CAPABILITY IMAP4rev1] hi\r\n"
    port = site.listen(says(greeting, b"A0001 NO bad password %b\r\n" % SECRET.encode()))
    site.fails(site.entry(f"port {port}"), 3, "Authorization failure on joe@localhost")


def test_starttls_that_is_demanded_and_refused_ends_before_the_password(site: Site) -> None:
    user = f'user joe password "{SECRET}"'
    site.fails(site.entry(user=user), 2, "refuses STARTTLS")


def test_preauth_where_tls_is_demanded_is_a_trick(site: Site) -> None:
    port = site.listen(says(b"* PREAUTH hello\r\n", b"A0001 OK\r\n"))
    user = f'user joe password "{SECRET}"'
    site.fails(site.entry(f"port {port}", user), 2, "PREAUTH")


def test_a_port_without_tls_is_recognised(site: Site) -> None:
    user = f'user joe password "{SECRET}" ssl'
    site.fails(site.entry(user=user), 2, "does not speak TLS on this port")


def test_a_refused_connection_is_reported_with_the_address(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    site.fails(site.entry(f"port {port}"), 2, f"localhost:{port}", "Connection refused")


def test_a_server_that_hangs_up_in_a_message_loses_only_that_one(site: Site) -> None:
    site.misbehaviour.cut[2] = 30
    code, _, err = site.run(site.entry())
    assert code == 2
    assert "octets of a message missing" in err
    assert [m.uid for m in site.mailbox.messages] == [2]
    assert len(site.received.messages) == 2
    site.misbehaviour.cut.clear()
    assert site.run(site.entry())[0] == 0
    assert (site.mailbox.messages, len(site.received.messages)) == ([], 3)


# The sink


@pytest.mark.parametrize("code", [421, 450, 451, 550, 552, 571])
@pytest.mark.parametrize("step", [Mail, Rcpt, Data, EndOfData])
def test_a_sink_that_refuses_keeps_the_mail_at_the_server(
    site: Site, step: type, code: int
) -> None:
    def policy(heard: Heard) -> Reply | None:
        return Reply(code, (b"not today",)) if isinstance(heard, step) else None

    site.received.policy = policy
    site.fails(site.entry(), 10, f"{code} not today", lines=3)
    assert site.received.messages == []


@pytest.mark.parametrize("answer", [b"354 more", b"199 hm", b"300 what"])
def test_only_2xx_to_the_dot_is_acceptance(site: Site, answer: bytes) -> None:
    def policy(heard: Heard) -> Reply | None:
        return Reply(int(answer[:3]), (answer[4:],)) if isinstance(heard, EndOfData) else None

    site.received.policy = policy
    site.fails(site.entry(), 10, answer.decode(), lines=3)


@pytest.mark.parametrize(
    "peer",
    [says(b"554 go away\r\n"), says(b"421 busy\r\n"), says(b"* OK IMAP\r\n"), says(b"")],
    ids=["554", "421", "imap", "silent end"],
)
def test_a_sink_that_refuses_the_connection_ends_the_poll(
    site: Site, peer: Callable[[socket.socket], None]
) -> None:
    def hasty(connection: socket.socket) -> None:
        connection.settimeout(0.2)
        peer(connection)

    port = site.listen(hasty)
    site.fails(site.entry(sink=f"smtphost localhost/{port}"), 10, "SMTP connect to localhost")


def test_no_sink_listening_ends_the_poll(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    site.fails(site.entry(sink=f"smtphost localhost/{port}"), 10, "Connection refused")


def test_the_next_listener_is_tried(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    rc = site.entry(sink=f"smtphost localhost/{port} localhost/{site.smtp}")
    assert site.run(rc)[0] == 0
    assert len(site.received.messages) == 3


def test_a_missing_plugout_ends_the_poll(site: Site) -> None:
    server = f'port {site.imap} plugout "no-such-sendmail -bs"'
    site.fails(site.entry(server), 10, 'program "no-such-sendmail" not found')


# The MDA


@pytest.mark.parametrize(
    ("mda", "said", "lines"),
    [
        ("no-such-mda %T", 'program "no-such-mda" not found', 1),
        ("no-such-mda %T | cat; exit 3", "status 3", 3),
        ("sh -c 'exit 75'", "MDA returned nonzero status 75", 3),
        ("kill -9 $$", "MDA died of signal 9", 3),
        ("echo its \x07broken >&2; exit 1", "it said: its \\x07broken", 3),
    ],
)
def test_an_mda_that_fails_keeps_the_mail(site: Site, mda: str, said: str, lines: int) -> None:
    server = f"port {site.imap} timeout 1"
    site.fails(site.entry(server, sink=f'mda "{mda}"'), 10, said, lines=lines)


@pytest.mark.parametrize("what", ["sender", "recipient"])
def test_an_address_like_an_option_never_reaches_the_mda(site: Site, what: str) -> None:
    rc = site.entry(sink=f'mda "touch {site.home}/ran %F %T"')
    if what == "sender":
        evil = TEXT.replace(b"ann@", b"-oQ/tmp@")
        site.mailbox = Mailbox([evil, evil, evil])
    else:
        rc = rc.replace("is bob", 'is "-oQ/tmp"')
    site.fails(rc, 10, f'the {what} "-oQ/tmp', lines=3)
    assert not (site.home / "ran").exists()


def test_addresses_are_arguments_and_never_run(site: Site) -> None:
    evil = TEXT.replace(b"ann@", b'"$(touch ran)`id`"@')
    site.mailbox = Mailbox([evil])
    out = site.home / "out"
    code, _, err = site.run(site.entry(sink=f'mda "echo %F >>{out}; cat >/dev/null"'))
    assert (code, err) == (0, "")
    assert out.read_text() == '"$(touch ran)`id`"@example.org\n'


# Disk, locks, signals


def test_a_ledger_that_cannot_be_written_stops_before_anything_is_delivered(site: Site) -> None:
    (site.home / ".local").write_text("a file where a folder should be")
    site.fails(site.entry(), 6, str(site.home / ".local"))
    assert site.received.messages == []


def test_a_full_disk_for_the_spool_keeps_the_mail(site: Site) -> None:
    large = TEXT + b"x" * 3_000_000
    site.mailbox = Mailbox([large, large, large], uidvalidity=3)
    rc = site.entry(sink='mda "cat >/dev/null"')
    path = site.home / "rc"
    path.write_text(rc)
    path.chmod(0o600)
    # No file of this process may pass 1 MB: to the program that is a disk that is full.
    limited = f"trap '' XFSZ; ulimit -f 1000; exec {sys.executable} -m mailhaul -f {path}"
    environment = {**os.environ, "HOME": str(site.home), "TMPDIR": str(site.home)}
    done = subprocess.run(
        ["bash", "-c", limited],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    # Each is its own trouble: smaller ones would be delivered.
    assert (done.returncode, len(done.stderr.splitlines())) == (10, 3), done.stderr
    assert "spool in" in done.stderr
    assert len(site.mailbox.messages) == 3


def hold(site: Site) -> tuple[threading.Event, threading.Event]:
    """Make the sink delay its reply to the first dot."""
    reached, release = threading.Event(), threading.Event()

    def policy(heard: Heard) -> Reply | None:
        if isinstance(heard, EndOfData):
            reached.set()
            release.wait(20)
        return None

    site.received.policy = policy
    return reached, release


def test_a_second_mailhaul_names_the_process_that_holds_the_account(site: Site) -> None:
    reached, release = hold(site)
    with site.start(site.entry()) as first:
        assert reached.wait(20)
        code, _, err = site.run(site.entry())
        release.set()
        first.communicate(timeout=30)
    assert (code, f"process {first.pid}" in err) == (8, True)
    assert first.returncode == 0


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_kill_while_the_sink_is_thinking_costs_a_duplicate_at_most(site: Site, how: str) -> None:
    reached, release = hold(site)
    with site.start(site.entry()) as process:
        assert reached.wait(20)
        getattr(process, how)()
        _, err = process.communicate(timeout=10)
        assert "Traceback" not in err
    release.set()
    assert len(site.mailbox.messages) == 3
    site.received.policy = None
    assert site.run(site.entry())[0] == 0
    assert site.mailbox.messages == []
    assert 3 <= len(site.received.messages) <= 4


# The rc file


@pytest.mark.parametrize(
    ("mode", "rc", "code", "said"),
    [
        (0o644, "poll x protocol imap\n", 6, "must have no more than -rwx------ (0700)"),
        (0o600, "poll x\n  protcol imap\n", 5, 'rc:2:3: found "protcol"'),
        (0o600, "poll x\n  protcol imap\n", 5, 'did you mean "protocol"?'),
        (0o600, "", 5, "no mailservers have been specified"),
    ],
)
def test_an_unusable_rc_file_is_reported_with_its_place(
    site: Site, mode: int, rc: str, code: int, said: str
) -> None:
    path = site.home / "rc"
    path.write_text(rc)
    path.chmod(mode)
    done = subprocess.run(
        [sys.executable, "-m", "mailhaul", "-f", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(site.home)},
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1)
    assert said in done.stderr
