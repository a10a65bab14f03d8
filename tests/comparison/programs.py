"""The programs that are compared: how each is configured for one job, and which version it is.

Each gets what its own documentation offers for the purpose: a timeout, a way to run a command
for each message, a file of trusted certificates. Every command is the same script.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mailhaul import __version__

ROOT = Path(__file__).parents[2]
HOST = "localhost"
PASSWORD = "correct-horse"


@dataclass(frozen=True, slots=True)
class Job:
    """What a program is to do: fetch from some accounts, each a port and a user.

    ``mda`` is a command that stores its standard input in ``box``, a Maildir; a program that runs
    no commands writes there by itself. With ``authority`` the connection is TLS.
    """

    home: Path
    accounts: tuple[tuple[int, str], ...]
    box: Path
    mda: Path
    keep: bool = False
    timeout: int = 20
    authority: Path | None = None
    password: str = PASSWORD

    def write(self, name: str, text: str) -> Path:
        """Write a file that only its owner may read."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path


@dataclass(frozen=True, slots=True)
class Program:
    """A program. ``protocol`` is what it is tried with; ``package`` gives its version."""

    name: str
    package: str
    command: Callable[[Job], list[str]]
    protocol: str = "imap"
    runs_commands: bool = True

    @property
    def version(self) -> str:
        """The version, or an empty string if the program is not installed."""
        if self.name == "mailhaul":
            return __version__
        words = ["dpkg-query", "-W", "-f", "${Version}", self.package]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return (
            done.stdout.partition("-")[0].partition("+")[0]
            if shutil.which(self.name_of_file)
            else ""
        )

    @property
    def name_of_file(self) -> str:
        """The name of the executable file."""
        return {"getmail6": "getmail"}.get(self.name, self.name)


def fetchmailrc(job: Job, stays: str = "keep") -> Path:
    """Write an rc file for fetchmail or mailhaul; ``stays`` is the word for mail that stays."""
    tls = f'ssl sslcertfile "{job.authority}"' if job.authority else "sslproto ''"
    keep = stays if job.keep else "no keep"
    text = "".join(
        f"poll a{n} via {HOST} no dns protocol IMAP port {port} auth password\n"
        f"  timeout {job.timeout}\n"
        f'  user {user} password "{job.password}" is joe here {tls} {keep} mda "{job.mda}"\n'
        for n, (port, user) in enumerate(job.accounts)
    )
    return job.write("rc", text)


def mailhaul(job: Job) -> list[str]:
    """Prepare mailhaul."""
    return [sys.executable, "-m", "mailhaul", "-s", "-f", str(fetchmailrc(job, "leave-unread"))]


def fetchmail(job: Job) -> list[str]:
    """Prepare fetchmail."""
    return ["fetchmail", "-s", "--pidfile", f"{job.home}/pid", "-f", str(fetchmailrc(job))]


def getmail(job: Job) -> list[str]:
    """Prepare getmail6: a file for each account."""
    words = ["getmail", "-q", f"--getmaildir={job.home}/.getmail"]
    kind = "SimpleIMAPSSLRetriever" if job.authority else "SimpleIMAPRetriever"
    trust = f"ca_certs = {job.authority}\n" if job.authority else ""
    for n, (port, user) in enumerate(job.accounts):
        job.write(
            f".getmail/rc{n}",
            f"[retriever]\ntype = {kind}\nserver = {HOST}\nport = {port}\nusername = {user}\n"
            f"password = {job.password}\ntimeout = {job.timeout}\n{trust}\n"
            f"[destination]\ntype = MDA_external\npath = {job.mda}\nallow_root_commands = true\n\n"
            f"[options]\ndelete = {str(not job.keep).lower()}\nread_all = false\n"
            "to_oldmail_on_each_mail = true\nverbose = 0\ndelivered_to = false\nreceived = false\n",
        )
        words.append(f"--rcfile=rc{n}")
    return words


def mpop(job: Job) -> list[str]:
    """Prepare mpop: POP3, one account after the other."""
    trust = (
        f"tls on\ntls_starttls off\ntls_trust_file {job.authority}\n"
        if job.authority
        else "tls off\n"
    )
    names = [f"a{n}" for n in range(len(job.accounts))]
    job.write(
        ".mpoprc",
        "".join(
            f"account {name}\nhost {HOST}\nport {port}\nuser {user}\npassword {job.password}\n"
            f"auth user\n{trust}timeout {job.timeout}\nreceived_header off\n"
            f"delivery mda {job.mda}\nkeep {'on' if job.keep else 'off'}\n\n"
            for name, (port, user) in zip(names, job.accounts, strict=True)
        ),
    )
    return ["mpop", "-Q", *names]


def fdm(job: Job) -> list[str]:
    """Prepare fdm."""
    kind = "imaps" if job.authority else "imap"
    only, keep = (" new-only", " keep") if job.keep else ("", "")
    accounts = "".join(
        f'account "a{n}" {kind} server "{HOST}" port {port} user "{user}" pass "{job.password}"'
        f"{only} no-cram-md5{keep}\n"
        for n, (port, user) in enumerate(job.accounts)
    )
    path = job.write(
        ".fdm.conf",
        f'set default-user "root"\nset command-user "root"\nset timeout {job.timeout}\n'
        f'set lock-file "{job.home}/lock"\n'
        f'set no-received\nset verify-certificates\naction "out" pipe "{job.mda}"\n'
        f'{accounts}match all action "out"\n',
    )
    return ["fdm", "-q", "-f", str(path), "fetch"]


def mbsync(job: Job) -> list[str]:
    """Prepare mbsync."""
    trust = (
        f"SSLType IMAPS\nCertificateFile {job.authority}\n" if job.authority else "SSLType None\n"
    )
    (job.home / "state").mkdir(exist_ok=True)
    path = job.write(
        ".mbsyncrc",
        "".join(
            f"IMAPAccount a{n}\nHost {HOST}\nPort {port}\nUser {user}\nPass {job.password}\n"
            f"AuthMechs LOGIN\nTimeout {job.timeout}\n{trust}\nIMAPStore far{n}\nAccount a{n}\n\n"
            f"MaildirStore near{n}\nPath {job.box}/{n}/\nInbox {job.box}/{n}/INBOX\n\n"
            f"Channel c{n}\nFar :far{n}:INBOX\nNear :near{n}:INBOX\nSync Pull New\nCreate Near\n"
            f"SyncState {job.home}/state/{n}-\n\n"
            for n, (port, user) in enumerate(job.accounts)
        ),
    )
    for n in range(len(job.accounts)):
        (job.box / str(n)).mkdir(parents=True, exist_ok=True)
    return ["mbsync", "-q", "-c", str(path), "-a"]


def offlineimap(job: Job) -> list[str]:
    """Prepare offlineimap."""
    numbers = range(len(job.accounts))
    trust = (
        f"ssl = yes\nsslcacertfile = {job.authority}\n"
        if job.authority
        else "ssl = no\nstarttls = no\n"
    )
    path = job.write(
        ".offlineimaprc",
        f"[general]\naccounts = {', '.join(f'a{n}' for n in numbers)}\nmaxsyncaccounts = 4\n"
        f"metadata = {job.home}/state\nui = quiet\nsocktimeout = {job.timeout}\n\n"
        + "".join(
            f"[Account a{n}]\nlocalrepository = near{n}\nremoterepository = far{n}\n\n"
            f"[Repository near{n}]\ntype = Maildir\nlocalfolders = {job.box}/{n}\n\n"
            f"[Repository far{n}]\ntype = IMAP\nremotehost = {HOST}\nremoteport = {port}\n"
            f"remoteuser = {user}\nremotepass = {job.password}\nreadonly = true\n{trust}"
            "auth_mechanisms = LOGIN\nretrycount = 1\n\n"
            for n, (port, user) in enumerate(job.accounts)
        ),
    )
    return ["offlineimap", "-o", "-c", str(path)]


PROGRAMS = (
    Program("mailhaul", "", mailhaul),
    Program("fetchmail", "fetchmail", fetchmail),
    Program("getmail6", "getmail6", getmail),
    Program("mpop", "mpop", mpop, protocol="pop3"),
    Program("fdm", "fdm", fdm),
    Program("mbsync", "isync", mbsync, runs_commands=False),
    Program("offlineimap", "offlineimap3", offlineimap, runs_commands=False),
)
NOT_HERE = ("imapsync", "mailferry")
"""Known from their documentation alone: neither is packaged for Debian 12."""


def environment(home: Path, authority: Path | None = None) -> dict[str, str]:
    """Return the environment of a program: its own home, and the mailhaul of this checkout."""
    trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
    return {
        **trusted,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        # Else the lock of root's fetchmail and mailhaul would be the whole machine's.
        "FETCHMAILHOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
    }


def installed(names: Iterable[str]) -> list[Program]:
    """Return the programs with these names, or all, that are on this machine."""
    wanted = set(names)
    return [one for one in PROGRAMS if one.version and (not wanted or one.name in wanted)]
