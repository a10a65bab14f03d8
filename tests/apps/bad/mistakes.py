"""Twenty mistakes that everybody makes: each ends in one line with the cause and the next step.

``python -m tests.apps.bad.mistakes`` writes mistakes.txt from what the program prints, and
docs/troubleshooting.md from that.
"""

from __future__ import annotations

import datetime
import os
import pwd
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import trustme

from mailhaul.apps.polls.pidfile import PidFile

from .peer import Peer
from .running import SECRET, launch, script
from .scripted_imap import ScriptedImap, message
from .scripted_smtp import ScriptedSmtp

GOLDEN = Path(__file__).with_name("mistakes.txt")
PAGE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
OAUTH_ONLY = b"IMAP4rev1 LOGINDISABLED SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER"


class CannotBeMade(Exception):
    """This machine does not allow the mistake to be made. ``str()`` is the reason."""


@cache
def authority() -> trustme.CA:
    """Return the authority that the runs trust."""
    return trustme.CA()


def good(*names: str, **more: Any) -> ssl.SSLContext:
    """Return the context of a server with a certificate of the authority."""
    return serving(authority().issue_cert(*(names or ("localhost",)), **more))


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return the context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@dataclass
class Stage:
    """A home folder, servers that live until the run has ended, and what to hide in its line."""

    home: Path
    stack: ExitStack
    environment: dict[str, str] = field(default_factory=dict[str, str])
    shown: dict[str, str] = field(default_factory=dict[str, str])

    def rc(self, text: str, mode: int = 0o600) -> None:
        """Write the rc file."""
        path = self.home / "fetchmailrc"
        path.write_text(text)
        path.chmod(mode)

    def imap(self, *messages: bytes, **options: Any) -> int:
        """Serve IMAP; return the port, which is shown as the usual one."""
        server = self.stack.enter_context(ScriptedImap(*messages, **options))
        self.shown[str(server.port)] = "993" if options.get("wrapped") else "143"
        return server.port

    def account(self, port: int, user_options: str = "sslproto ''", server: str = "") -> None:
        """Write the rc file for one account that delivers into a Maildir."""
        self.rc(
            f"poll localhost port {port} protocol IMAP {server}\n"
            f'    user joe password "{SECRET}"\n'
            f"    {user_options}\n"
            "    maildir ~/Maildir\n"
        )


# The mistakes


def nothing(stage: Stage) -> None:
    """There is no rc file."""


def open_permissions(stage: Stage) -> None:
    stage.rc("poll mail.example.org\n", 0o644)


def misspelt_keyword(stage: Stage) -> None:
    stage.rc('poll mail.example.org protocl IMAP\n    user joe password "x"\n')


def only_skipped(stage: Stage) -> None:
    stage.rc("skip work.example.org user joe\nskip home.example.org user joe\n")


def unknown_account(stage: Stage) -> None:
    stage.rc('poll work via mail.example.org protocol IMAP user joe password "x"\n')
    stage.shown[f"{pwd.getpwuid(os.geteuid()).pw_name}@"] = "joe@"


def unknown_name(stage: Stage) -> None:
    stage.rc(f'poll imap..example.org protocol IMAP\n    user joe password "{SECRET}"\n')
    stage.shown |= {"imap..example.org": "imap.exmaple.org", "@.example.org": "@exmaple.org"}


def closed_port(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    stage.shown[str(port)] = "143"
    stage.account(port)


def wrong_host(stage: Stage) -> None:
    stage.account(stage.imap(greeting=b"220 mail.example.org ESMTP ready\r\n"))


def refusing(words: bytes, **options: Any) -> Callable[[Stage], None]:
    def make(stage: Stage) -> None:
        stage.account(stage.imap(answers={"LOGIN": b"NO " + words}, **options))

    return make


def only_tokens(stage: Stage) -> None:
    port = stage.imap(capabilities=OAUTH_ONLY, tls=good(), wrapped=True)
    stage.account(port, "ssl")


def certificate(make: Callable[[], ssl.SSLContext]) -> Callable[[Stage], None]:
    def serve(stage: Stage) -> None:
        stage.account(stage.imap(tls=make(), wrapped=True), "ssl")

    return serve


def tls_on_a_plain_port(stage: Stage) -> None:
    stage.account(stage.imap(), "ssl")


def plain_on_a_tls_port(stage: Stage) -> None:
    stage.account(stage.imap(tls=good(), wrapped=True), "", "timeout 1")


def no_listener(stage: Stage) -> None:
    with socket.socket() as sock:
        if sock.connect_ex(("localhost", 25)) == 0:
            raise CannotBeMade("something listens on port 25 of this machine")
    port = stage.imap(message(1))
    stage.rc(
        f"poll localhost port {port} protocol IMAP\n"
        f"    user joe password \"{SECRET}\" is joe here sslproto ''\n"
    )


def full_mailbox(stage: Stage) -> None:
    words = b"552 5.2.2 <joe@localhost> mailbox is full, quota exceeded"
    sink = stage.stack.enter_context(ScriptedSmtp({"RCPT": [words] * 9}))
    stage.shown[str(sink.port)] = "25"
    port = stage.imap(message(1))
    stage.rc(
        f"poll localhost port {port} protocol IMAP\n"
        f"    user joe password \"{SECRET}\" is joe here sslproto ''\n"
        f"    smtphost localhost/{sink.port}\n"
    )


def full_disk(stage: Stage) -> None:
    folder = stage.home / "Maildir"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(argv, capture_output=True, check=False).returncode:
        raise CannotBeMade("a small disk needs the right to mount one")
    stage.stack.callback(subprocess.run, ["umount", str(folder)], check=True)
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir()
    stage.account(stage.imap(message(1, b"text\r\n" * 5000)))


def daemon_running(stage: Stage) -> None:
    stage.rc("poll mail.example.org user joe password x\n")
    pidfile = PidFile(str(stage.home / "mailhaul.pid"))
    pidfile.take(300)
    stage.stack.callback(pidfile.release)


class LockedMaildrop(Peer):
    """A POP3 server whose maildrop another program has."""

    def serve(self, connection: socket.socket) -> None:
        connection.sendall(b"+OK ready\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                verb = line[:4].upper()
                locked = b"-ERR [IN-USE] the maildrop is locked by another session\r\n"
                usual = b"+OK\r\n" if verb in {b"USER", b"QUIT"} else b"-ERR unknown\r\n"
                connection.sendall(locked if verb == b"PASS" else usual)


def locked_mailbox(stage: Stage) -> None:
    server = stage.stack.enter_context(LockedMaildrop())
    stage.rc(
        f"poll localhost port {server.port} protocol POP3\n"
        f"    user joe password \"{SECRET}\" sslproto '' maildir ~/Maildir\n"
    )


def ssh_without_a_key(stage: Stage) -> None:
    programs = stage.home / "bin"
    programs.mkdir()
    refusal = "joe@imap.example.org: Permission denied (publickey)."
    script(programs / "ssh", f"echo '{refusal}' >&2; exit 255")
    stage.environment["PATH"] = f"{programs}:{os.defpath}"
    stage.rc(
        "poll imap.example.org protocol IMAP auth ssh\n"
        '    plugin "ssh joe@%h /usr/sbin/imapd"\n'
        "    user joe maildir ~/Maildir\n"
    )


@dataclass(frozen=True)
class Mistake:
    """One mistake: how it is made, and with which exit code it ends."""

    title: str
    code: int
    make: Callable[[Stage], None]
    arguments: tuple[str, ...] = ("-s",)


PAST = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
SWITCHED_OFF = (
    b"[ALERT] Your account is not enabled for IMAP use. Please visit your settings page (Failure)"
)
NEEDS_APP_PASSWORD = b"[ALERT] Application-specific password required (Failure)"
MISTAKES = (
    Mistake("There is no rc file", 5, nothing),
    Mistake("Others may read the rc file", 6, open_permissions),
    Mistake("A keyword is misspelt", 5, misspelt_keyword),
    Mistake("All entries are marked skip, and none is named", 1, only_skipped, ()),
    Mistake("An account is named that is not in the rc file", 3, unknown_account, ("-s", "wrok")),
    Mistake("The daemon is running already", 8, daemon_running, ("-d", "300")),
    Mistake("The host name does not exist", 11, unknown_name),
    Mistake("The port is closed", 2, closed_port),
    Mistake("The host is not an IMAP server", 4, wrong_host),
    Mistake("TLS on a port without it", 2, tls_on_a_plain_port),
    Mistake("No TLS on a port with it", 2, plain_on_a_tls_port),
    Mistake(
        "The certificate is of an unknown authority",
        2,
        certificate(lambda: serving(trustme.CA().issue_cert("localhost"))),
    ),
    Mistake("The certificate has expired", 2, certificate(lambda: good(not_after=PAST))),
    Mistake(
        "The certificate is for another name", 2, certificate(lambda: good("mail.example.org"))
    ),
    Mistake("The password is wrong", 3, refusing(b"[AUTHENTICATIONFAILED] Authentication failed.")),
    Mistake("An app password is needed", 3, refusing(NEEDS_APP_PASSWORD)),
    Mistake("IMAP is switched off", 3, refusing(SWITCHED_OFF)),
    Mistake("The server wants OAuth", 3, only_tokens),
    Mistake("ssh has no key", 2, ssh_without_a_key),
    Mistake("Another program has the mailbox", 9, locked_mailbox),
    Mistake("No mail server runs on this machine", 10, no_listener),
    Mistake("The mailbox that mail goes to is full", 10, full_mailbox),
    Mistake("The disk is full", 6, full_disk),
)
FILE_NAME = re.compile(r"/tmp/\d+\.R[0-9a-f]+\.[^:]+")
UNKNOWN = re.compile(r"(cannot find the address of \S+): [^;]+")


@dataclass(frozen=True)
class Ending:
    """How a run ended: its exit code, and all lines that it printed."""

    code: int
    lines: tuple[str, ...]


@contextmanager
def staged(mistake: Mistake) -> Iterator[Stage]:
    """Make a mistake in a home folder of its own. Raises CannotBeMade."""
    with tempfile.TemporaryDirectory(prefix="mistake-") as folder, ExitStack() as stack:
        stage = Stage(Path(folder), stack)
        path = stage.home / "authority.pem"
        authority().cert_pem.write_to_path(str(path))
        stage.environment |= {"FETCHMAILHOME": folder, "SSL_CERT_FILE": str(path)}
        mistake.make(stage)
        yield stage


def ending_of(mistake: Mistake) -> Ending:
    """Run the program on a mistake. Raises CannotBeMade."""
    with staged(mistake) as stage:
        run = launch(stage.home, *mistake.arguments, environment=stage.environment).finish()
        text = run.out + run.err
        for found, shown in stage.shown.items():
            text = text.replace(found, shown)
        # As for a user whose rc file is at the usual place.
        text = text.replace(f"{stage.home}/fetchmailrc", "/home/joe/.fetchmailrc")
        text = text.replace(str(stage.home), "/home/joe")
    text = UNKNOWN.sub(r"\1: Name or service not known", text)
    text = FILE_NAME.sub("/tmp/1790000000.R0123456789abcdef.host", text)
    return Ending(run.code, tuple(text.splitlines()))


def written(mistake: Mistake, ending: Ending) -> str:
    """Return the paragraph of a mistake in the golden file."""
    command = " ".join(["mailhaul", *mistake.arguments])
    lines = "\n".join(ending.lines)
    return f"# {mistake.title}\n$ {command}\n{lines}\n(exit code {ending.code})\n"


def paragraphs() -> dict[str, str]:
    """Return the paragraphs of the golden file by their titles."""
    pieces = GOLDEN.read_text(encoding="utf-8").split("\n\n")
    return {piece.partition("\n")[0].removeprefix("# "): f"{piece.strip()}\n" for piece in pieces}


INTRODUCTION = """\
# Troubleshooting

If something is wrong, mailhaul prints one line: the cause, and what to type next. These are the
mistakes that are made most, as the program prints them. This page is printed by
`python -m tests.apps.bad.mistakes`, and checked by a test.

`mailhaul -c` tries a login and fetches nothing, `mailhaul -V` shows how the rc file was understood,
and `mailhaul -v` prints the dialogue with the servers, without passwords. [trace.md](trace.md) is
about transcripts for bug reports.
"""


def page(texts: Sequence[str]) -> str:
    """Return the page for these paragraphs."""
    sections = []
    for text in texts:
        title, _, rest = text.partition("\n")
        block = "".join(f"    {line}\n" for line in rest.splitlines())
        sections.append(f"## {title.removeprefix('# ')}\n\n{block}")
    return "\n".join([INTRODUCTION, *sections])


def main() -> int:
    """Write both files."""
    known = paragraphs() if GOLDEN.exists() else {}
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(ending_of, mistake) for mistake in MISTAKES]
    texts = []
    for mistake, future in zip(MISTAKES, futures, strict=True):
        try:
            texts.append(written(mistake, future.result()))
        except CannotBeMade as reason:
            print(f"{mistake.title}: {reason}", file=sys.stderr)
            texts.append(known[mistake.title])
    GOLDEN.write_text("\n".join(texts), encoding="utf-8")
    PAGE.write_text(page(texts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
