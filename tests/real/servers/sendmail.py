"""A private sendmail: an SMTP listener that delivers to a Maildir for each user."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .private_root import UNPACKED, PrivateRoot
from .process import free_ports, program, running

SENDMAIL = "/usr/libexec/sendmail/sendmail"
MACROS = UNPACKED / "sendmail" / "usr" / "share" / "sendmail" / "cf"
QUEUE = "/var/spool/mqueue"
FIRST = 950
# No name is looked up: nothing outside of this machine is asked.
CONFIGURATION = """\
divert(0)dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `mail.example.org')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confPID_FILE', `/var/run/sendmail.pid')dnl
define(`confMAX_MESSAGE_SIZE', `1000000')dnl
define(`confSERVER_CERT', `/etc/mail/chain.pem')dnl
define(`confSERVER_KEY', `/etc/mail/key.pem')dnl
define(`confCACERT', `/etc/mail/chain.pem')dnl
define(`confCACERT_PATH', `/etc/mail')dnl
define(`STATUS_FILE', `/var/run/sendmail.st')dnl
define(`ALIAS_FILE', `/etc/mail/aliases')dnl
define(`LOCAL_MAILER_PATH', `/bin/deliver')dnl
define(`LOCAL_MAILER_ARGS', `deliver $u')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(`Addr=127.0.0.1, Port={port}, Name=MTA')dnl
MAILER(`local')dnl
LOCAL_CONFIG
Cwlocalhost {domain}
"""
# The user is the last word; before it may be -f and the sender.
DELIVER = """\
#!/bin/sh
for user do :; done
cat >/var/mail/$user/tmp/$$ && mv /var/mail/$user/tmp/$$ /var/mail/$user/new/$$.localhost
"""
SYSTEM = ("bin/cat", "bin/mv", "etc/services", "etc/protocols")


class Sendmail:
    """Where it listens, and its Maildirs."""

    def __init__(
        self, folder: Path, certificate: Certificate, users: Sequence[str], domain: str
    ) -> None:
        numbers = {user: FIRST + number for number, user in enumerate(users)}
        accounts = {"smmta": 948, "smmsp": 949, "daemon": 1, "mail": 8, **numbers}
        self.root = PrivateRoot(folder, "sendmail", accounts, SYSTEM)
        (self.port,) = free_ports(1)
        etc = self.root.path("/etc/mail")
        etc.mkdir(exist_ok=True)
        (etc / "service.switch").write_text("hosts files\naliases files\npasswd files\n")
        for name, source in (("chain.pem", certificate.chain), ("key.pem", certificate.key)):
            (etc / name).write_bytes(source.read_bytes())
            (etc / name).chmod(0o600)
        (etc / "sendmail.mc").write_text(CONFIGURATION.format(port=self.port, domain=domain))
        self._make_configuration(etc)
        deliver = self.root.path("/bin/deliver")
        deliver.write_text(DELIVER)
        deliver.chmod(0o755)
        self.root.make_folder("/var/run", "root")
        self.root.make_folder(QUEUE, "root", 0o700)
        self.mail = self.root.make_folder("/var/mail", "root")
        for user in users:
            for part in ("tmp", "new", "cur"):
                self.root.make_folder(f"/var/mail/{user}/{part}", user, 0o777)
        (etc / "aliases").write_text(f"root: {users[0]}\n")
        argv = self.root.argv(SENDMAIL, "-C", "/etc/mail/sendmail.cf", "-bi")
        subprocess.run([program(argv[0]), *argv[1:]], check=True, capture_output=True)

    def _make_configuration(self, etc: Path) -> None:
        words = [f"-D_CF_DIR_={MACROS}/", str(MACROS / "m4" / "cf.m4"), str(etc / "sendmail.mc")]
        made = subprocess.run(
            [program("/usr/bin/m4"), *words], check=True, capture_output=True, text=True
        )
        (etc / "sendmail.cf").write_text(made.stdout)

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        output = self.root.folder.with_suffix(".output")
        argv = self.root.argv(SENDMAIL, "-bD", "-q1m", "-C", "/etc/mail/sendmail.cf")
        with running(argv, output=output, ports=[self.port]):
            yield
