"""A private Courier: IMAP and POP3, with the users of its own userdb."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .private_root import PrivateRoot
from .process import free_ports, program, running

CRYPTED = "$5$mailhaultestsalt$vc07iVfUKgeXsCBOqpU6WW5krcbJfEyCUuEebcH.VC5"
"""The password of every user: correct-horse."""
OWNER = 931
NUMBERS = {"courier": 930, "vmail": OWNER}
PROGRAMS = "/usr/lib/courier"
TCPD = (
    "/usr/sbin/couriertcpd -address=127.0.0.1 -maxprocs=40 -maxperip=40 -nodnslookup -noidentlookup"
)
SETTINGS = """
IMAP_CHECK_ALL_FOLDERS=0
IMAP_ENHANCEDIDLE=0
POP3AUTH="PLAIN LOGIN"
POP3AUTH_TLS="PLAIN LOGIN"
TLS_CERTFILE=/etc/courier/both.pem
TLS_TRUSTCERTS=/etc/courier/both.pem
TLS_CACHEFILE=
"""


class Courier:
    """Where it listens, and its Maildirs."""

    def __init__(self, folder: Path, certificate: Certificate, users: Sequence[str]) -> None:
        self.root = PrivateRoot(folder, "courier", NUMBERS)
        self.imap_port, self.pop3_port = free_ports(2)
        etc = self.root.path("/etc/courier")
        both = certificate.key.read_bytes() + certificate.chain.read_bytes()
        (etc / "both.pem").write_bytes(both)
        (etc / "settings").write_text(SETTINGS)
        daemon = (etc / "authdaemonrc").read_text()
        (etc / "authdaemonrc").write_text(daemon + '\nauthmodulelist="authuserdb"\ndaemons=1\n')
        self.root.make_folder("/run/courier/authdaemon", "courier")
        self.mail = self.root.make_folder("/var/mail", "vmail")
        for user in users:
            for part in ("", "/tmp", "/new", "/cur"):
                self.root.make_folder(f"/var/mail/{user}/Maildir{part}", "vmail", 0o700)
            os.chown(self.mail / user, OWNER, OWNER)
        self._make_users(users)

    def _make_users(self, users: Sequence[str]) -> None:
        fields = f"uid={OWNER}|gid={OWNER}|home=/var/mail"
        self._make_table("userdb", {user: f"{fields}/{user}" for user in users})
        self._make_table("userdbshadow", dict.fromkeys(users, f"systempw={CRYPTED}"))

    def _make_table(self, name: str, entries: Mapping[str, str]) -> None:
        path = f"/etc/courier/{name}"
        lines = "".join(f"{user}\t{entry}\n" for user, entry in entries.items())
        self.root.path(f"{path}.text").write_text(f"{lines}.\n")
        make = f"{PROGRAMS}/courier-authlib/makedatprog"
        argv = self.root.argv(make, f"{path}.text", f"{path}.tmp", f"{path}.dat")
        subprocess.run([program(argv[0]), *argv[1:]], check=True)

    @contextmanager
    def running(self) -> Generator[None]:
        """Serve until the block ends."""
        login = f"{PROGRAMS}/courier"
        servers = (
            ("imapd", self.imap_port, f"{login}/imaplogin /usr/bin/imapd Maildir"),
            ("pop3d", self.pop3_port, f"{login}/courierpop3login {login}/courierpop3d Maildir"),
        )
        output = self.root.folder.with_suffix(".output")
        daemon = self.root.argv(f"{PROGRAMS}/courier-authlib/authdaemond")
        with running(daemon, output=output, ports=[]):
            (_, imap, imap_words), (_, pop3, pop3_words) = servers
            with (
                running(self._argv("imapd", imap, imap_words), output=output, ports=[imap]),
                running(self._argv("pop3d", pop3, pop3_words), output=output, ports=[pop3]),
            ):
                yield

    def _argv(self, name: str, port: int, words: str) -> list[str]:
        read = "".join(f". /etc/courier/{file}; " for file in (name, f"{name}-ssl", "settings"))
        start = f"IMAP_STARTTLS=YES; POP3_STARTTLS=YES; exec {TCPD} {port} {words}"
        return self.root.argv("/bin/sh", "-c", f"set -a; prefix=/usr; {read}{start}")
