"""A private Cyrus: IMAP and POP3, with users in the database of Cyrus SASL."""

from __future__ import annotations

import imaplib
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .private_root import PrivateRoot
from .process import free_ports, program, running

BIN = "/usr/lib/cyrus/bin"
USERS = {"cyrus": 941, "mail": 8}
ADMIN = "cyrus"
STATE, SPOOL, RUN = "/var/lib/cyrus", "/var/spool/cyrus/mail", "/run/cyrus"
SYSTEM = (
    "usr/lib/*/sasl2/lib*.so",
    "usr/share/zoneinfo/*.tab",
    "usr/share/zoneinfo/Europe/*",
    "etc/services",
    "etc/protocols",
    "etc/nsswitch.conf",
)
SETTINGS = f"""\
configdirectory: {STATE}
partition-default: {SPOOL}
defaultpartition: default
admins: {ADMIN}
cyrus_user: cyrus
cyrus_group: mail
servername: localhost
proc_path: {RUN}/proc
mboxname_lockpath: {RUN}/lock
idlesocket: {RUN}/socket/idle
unixhierarchysep: yes
altnamespace: yes
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1
sasl_minimum_layer: 0
tls_server_cert: /etc/chain.pem
tls_server_key: /etc/key.pem
tls_versions: tls1_2 tls1_3
maxlogins_per_user: 0
popminpoll: 0
"""
SERVICES = """\
START {{
  recover cmd="{bin}/ctl_cyrusdb -r"
  idled cmd="{bin}/idled"
}}
SERVICES {{
  imap cmd="{bin}/imapd" listen="127.0.0.1:{imap_port}" prefork=1 maxchild=50
  pop3 cmd="{bin}/pop3d" listen="127.0.0.1:{pop3_port}" prefork=1 maxchild=50
  lmtpunix cmd="{bin}/lmtpd -a" listen="{run}/socket/lmtp" prefork=0 maxchild=5
}}
EVENTS {{
}}
"""


class Cyrus:
    """Where it listens. The users get their mailboxes from the administrator, by IMAP."""

    def __init__(
        self, folder: Path, certificate: Certificate, users: Sequence[str], password: str
    ) -> None:
        self.root = PrivateRoot(folder, "cyrus", USERS, SYSTEM)
        self._users, self._password = users, password
        self.imap_port, self.pop3_port = free_ports(2)
        for name in (STATE, SPOOL, RUN, f"{RUN}/socket", f"{RUN}/proc", f"{RUN}/lock"):
            self.root.make_folder(name, "cyrus", 0o750, "mail")
        for name in ("db", "socket", "proc", "user", "quota", "log", "msg", "ptclient", "sieve"):
            self.root.make_folder(f"{STATE}/{name}", "cyrus", 0o750, "mail")
        etc = self.root.path("/etc")
        (etc / "imapd.conf").write_text(SETTINGS)
        ports = {"imap_port": self.imap_port, "pop3_port": self.pop3_port}
        (etc / "cyrus.conf").write_text(SERVICES.format(bin=BIN, run=RUN, **ports))
        for name, source in (("chain.pem", certificate.chain), ("key.pem", certificate.key)):
            self._give(etc / name, source.read_bytes())
        self._make_users(etc / "sasldb2")

    def _give(self, path: Path, text: bytes) -> None:
        path.write_bytes(text)
        path.chmod(0o640)
        shutil.chown(path, USERS["cyrus"], USERS["mail"])

    def _make_users(self, database: Path) -> None:
        for user in (*self._users, ADMIN):
            words = ["-p", "-c", "-f", str(database), "-u", "localhost", user]
            argv = [program("/usr/sbin/saslpasswd2"), *words]
            subprocess.run(argv, input=self._password, text=True, check=True)
        shutil.chown(database, USERS["cyrus"], USERS["mail"])

    @contextmanager
    def running(self) -> Generator[None]:
        """Serve until the block ends."""
        output = self.root.folder.with_suffix(".output")
        argv = self.root.argv(
            f"{BIN}/master", "-D", "-C", "/etc/imapd.conf", "-M", "/etc/cyrus.conf"
        )
        with running(argv, output=output, ports=[self.imap_port, self.pop3_port]):
            self._make_mailboxes()
            yield

    def _make_mailboxes(self) -> None:
        with imaplib.IMAP4("localhost", self.imap_port) as session:
            session.login(ADMIN, self._password)
            for user in self._users:
                session.create(f"user/{user}")
