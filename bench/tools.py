"""The programs that are compared: for each, how its configuration and its command are written.

Every program runs as its users run it: silent, in one go, with its state in its own home folder
on the same disk, and with its own Maildir delivery where it has one.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.real.servers.process import OWNER

from .place import host_of
from .scenarios import Scenario

HOST = "localhost"
RECIPIENT = "bob@localhost"


@dataclass(frozen=True, slots=True)
class Job:
    """What a program is to do. ``target`` is a port, a folder, or a command, as the sink wants it.

    ``ssh`` is the command that opens the mailbox, empty for a connection by TCP. For APPEND,
    ``target`` is the port and ``target_user`` the user there; the password is the same.
    """

    scenario: Scenario
    home: Path
    users: tuple[str, ...]
    port: int
    password: str
    authority: Path
    target: str
    nodelay: Path
    mda: Path
    target_user: str = ""
    ssh: str = ""

    @property
    def tls(self) -> bool:
        """Whether TLS comes first."""
        return self.scenario.tls

    @property
    def keep(self) -> bool:
        """Whether mail stays at the server."""
        return self.scenario.seen

    def accounts(self) -> Iterator[tuple[str, str]]:
        """Yield each user with the host where its mailbox is."""
        for number, user in enumerate(self.users, 1):
            yield user, host_of(number) if self.scenario.own_hosts else HOST

    def write(self, name: str, text: str) -> Path:
        """Write a file that only its owner may read."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def make_maildir(self) -> None:
        """Make the Maildir that is the target; not every program does."""
        for name in ("tmp", "new", "cur"):
            Path(self.target, name).mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Command:
    """How a program is started."""

    words: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


Prepare = Callable[[Job], Command]


@dataclass(frozen=True, slots=True)
class Tool:
    """A program. ``program`` is what must be installed; ``codes`` mean success.

    ``deletes`` tells whether it removes what it has delivered from the server.
    """

    name: str
    program: str
    prepare: Prepare
    codes: frozenset[int] = frozenset({0})
    deletes: bool = True


def entry(job: Job, sink: str) -> str:
    """Return an rc file that fetchmail and mailhaul both read: one entry for each host."""
    protocol = job.scenario.protocol.upper()
    way = f"port {job.port} auth password"
    if job.ssh:
        way = f'auth ssh plugin "{job.ssh}"'
    elif job.scenario.protocol == "pop3" and job.keep:
        way += " uidl"
    security = f'ssl sslcertfile "{job.authority}"' if job.tls else "sslproto ''"
    lines: list[str] = []
    for user, host in job.accounts():
        server = f"poll {host} no dns protocol {protocol} {way}\n"
        if server not in lines:
            lines.append(server)
        lines.append(
            f'  user {user} password "{job.password}" is bob here {security}'
            f"{' keep' if job.keep else ''} {sink}\n"
        )
    return "".join(lines)


def mailhaul(job: Job) -> Command:
    """Prepare mailhaul, as it is installed beside this Python."""
    sinks = {
        "smtp": f"smtphost localhost/{job.target} smtpparallel {job.scenario.parallel}",
        "maildir": f'maildir "{job.target}"',
        "mda": f'mda "{job.target}"',
        "append": f'append "imap://{job.target_user}@{HOST}:{job.target}/INBOX"'
        f' appendpassword "{job.password}"',
    }
    job.write("fetchmailrc", entry(job, sinks[job.scenario.sink]))
    return Command([str(Path(sys.executable).with_name("mailhaul")), "-s"])


def fetchmail(job: Job) -> Command:
    """Prepare fetchmail, with TCP_NODELAY forced on its connections.

    It has no Maildir: where nothing new comes, a command has stored the mail of the first run.
    """
    sink = f'mda "{job.target}"'
    if job.scenario.sink == "smtp":
        sink = f"smtphost localhost/{job.target}"
    elif job.scenario.sink == "maildir":
        job.make_maildir()
        sink = f'mda "{job.mda} {job.target}/new"'
    job.write("fetchmailrc", entry(job, sink))
    return Command(["fetchmail", "-s"], {"LD_PRELOAD": str(job.nodelay)})


def fdm(job: Job) -> Command:
    """Prepare fdm."""
    action = {
        "smtp": f'smtp server "{HOST}" port {job.target} to "{RECIPIENT}"',
        "maildir": f'maildir "{job.target}"',
        "mda": f'pipe "{job.target}"',
    }[job.scenario.sink]
    protocol = job.scenario.protocol
    only = {"imap": "new-only", "pop3": f'new-only cache "{job.home}/cache"'}[protocol]
    more = (f" {only}" if job.keep else "") + (" no-cram-md5" if protocol == "imap" else "")
    accounts = "".join(
        f'account "{user}" {protocol}{"s" if job.tls else ""} server "{host}" port {job.port}'
        f' user "{user}" pass "{job.password}"{more}{" keep" if job.keep else ""}\n'
        for user, host in job.accounts()
    )
    if job.ssh:
        accounts = f'account "ssh" imap pipe "{job.ssh}"\n'
    path = job.write(
        ".fdm.conf",
        f'set default-user "root"\nset command-user "root"\naction "out" {action}\n{accounts}'
        'match all action "out"\n',
    )
    words = ["fdm", "-q", "-l", "-m", "-f", str(path), "fetch"]
    return Command(words, {"SSL_CERT_FILE": str(job.authority)})


def mpop(job: Job) -> Command:
    """Prepare mpop: POP3 to a Maildir."""
    job.make_maildir()
    (user,) = job.users
    job.write(
        ".mpoprc",
        f"account default\nhost {HOST}\nport {job.port}\nuser {user}\npassword {job.password}\n"
        f"auth user\ntls off\ndelivery maildir {job.target}\nkeep {'on' if job.keep else 'off'}\n",
    )
    return Command(["mpop", "-Q"])


def mbsync(job: Job) -> Command:
    """Prepare mbsync, which leaves mail where it is."""
    far = f"Host {HOST}\nPort {job.port}\nUser {job.users[0]}\nPass {job.password}\nAuthMechs LOGIN"
    if job.ssh:
        far = f'Tunnel "{job.ssh}"'
    Path(job.target).mkdir(exist_ok=True)
    near = f"MaildirStore near\nPath {job.target}/\nInbox {job.target}/INBOX\n"
    if job.scenario.sink == "append":
        near = (
            f"IMAPAccount near\nHost {HOST}\nPort {job.target}\nUser {job.target_user}\n"
            f"Pass {job.password}\nAuthMechs LOGIN\nSSLType None\n\n"
            "IMAPStore near\nAccount near\n"
        )
    path = job.write(
        ".mbsyncrc",
        f"IMAPAccount far\n{far}\nSSLType None\n\nIMAPStore far\nAccount far\n\n{near}\n"
        f"Channel all\nFar :far:INBOX\nNear :near:INBOX\nSync Pull New\nCreate Near\n"
        f"SyncState {job.home}/state/\n",
    )
    (job.home / "state").mkdir(exist_ok=True)
    return Command(["mbsync", "-q", "-c", str(path), "all"])


def getmail(job: Job) -> Command:
    """Prepare getmail6: to a Maildir, as a user of its own, since it delivers nothing as root."""
    job.make_maildir()
    (name,) = job.users
    kind = {"imap": "SimpleIMAPRetriever", "pop3": "SimplePOP3Retriever"}[job.scenario.protocol]
    delete = "false" if job.keep else "true"
    job.write(
        ".getmail/getmailrc",
        f"[retriever]\ntype = {kind}\nserver = {HOST}\nport = {job.port}\nusername = {name}\n"
        f"password = {job.password}\n\n[destination]\ntype = Maildir\npath = {job.target}/\n\n"
        f"[options]\ndelete = {delete}\nread_all = false\nverbose = 0\n",
    )
    for path in (job.home, *job.home.rglob("*")):
        shutil.chown(path, OWNER, OWNER)
    user = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
    return Command([*user, "getmail", "-q", f"--getmaildir={job.home}/.getmail"])


def imapsync(job: Job) -> Command:
    """Prepare imapsync: one IMAP server to another."""
    words = ["imapsync", "--nolog", "--delete1", "--expunge1", "--nosslcheck"]
    for number, port, user in ((1, job.port, job.users[0]), (2, job.target, job.target_user)):
        words += [f"--host{number}", HOST, f"--port{number}", str(port), f"--user{number}", user]
        words += [f"--password{number}", job.password, f"--notls{number}"]
    return Command(words)


def floor(module: str, *words: str) -> Command:
    """Start a floor. Modules are imported, and not run, so that they are compiled only once."""
    code = f"import sys; from bench.floor.{module} import main; sys.exit(main(sys.argv[1:]))"
    return Command([sys.executable, "-c", code, *words])


def relay_floor(job: Job) -> Command:
    """Prepare a bare relay, or a bare writer."""
    authority = str(job.authority) if job.tls else ""
    words = (job.scenario.protocol, str(job.port), job.password, authority, job.scenario.sink)
    return floor("relay", *words, job.target, *job.users)


def listing_floor(job: Job) -> Command:
    """Prepare a bare look at a mailbox."""
    return floor("listing", job.scenario.protocol, str(job.port), job.password, *job.users)


def append_floor(job: Job) -> Command:
    """Prepare a bare relay to another IMAP server."""
    users = (*job.users, job.target_user)
    return floor("append", str(job.port), job.target, job.password, *users)


def ssh_floor(job: Job) -> Command:
    """Prepare ssh to greet the server, and leave."""
    return Command(["sh", "-c", f"printf 'a LOGOUT\\r\\n' | {job.ssh}"])


def bare_python(job: Job) -> Command:
    """Prepare Python to do nothing."""
    return Command([sys.executable, "-c", "pass"])


NO_MAIL = 1
"""fetchmail's exit code, and mailhaul's, when there is no mail."""

MAILHAUL = Tool("mailhaul", "python3", mailhaul, frozenset({0, NO_MAIL}))

PEERS = {
    tool.name: tool
    for tool in (
        Tool("fetchmail", "fetchmail", fetchmail, frozenset({0, NO_MAIL})),
        Tool("fdm", "fdm", fdm),
        Tool("mpop", "mpop", mpop),
        Tool("mbsync", "mbsync", mbsync, deletes=False),
        Tool("getmail", "getmail", getmail),
        Tool("imapsync", "imapsync", imapsync),
    )
}

FLOORS = {
    name: Tool("floor", "python3", prepare)
    for name, prepare in (
        ("relay", relay_floor),
        ("listing", listing_floor),
        ("append", append_floor),
        ("ssh", ssh_floor),
        ("nothing", bare_python),
    )
}
"""By the name that a scenario gives."""

IDLE_FLOORS = frozenset({"nothing", "ssh"})
"""Floors that move no mail."""


def environment(job: Job, command: Command) -> dict[str, str]:
    """Return the environment of a program: its own home, and the mailhaul of this checkout."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(job.home),
        # Else the lock of root's fetchmail and mailhaul would be the whole machine's.
        "FETCHMAILHOME": str(job.home),
        "LC_ALL": "C",
        "PYTHONPATH": str(Path(__file__).parents[1]),
        **command.environment,
    }
