"""A private Postfix: an SMTP listener with the defaults of smtpd, and ``sendmail -bs``.

What main.cf sets is where mail is delivered. How smtpd reads it is left as it comes, except that
smtpd_forbid_bare_newline is off in every version, as it is in 3.7. Everybody at DOMAINS has mail.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from .private_root import PrivateRoot
from .process import PACE_SECONDS, ServerFailed, free_ports, running, script

MASTER = "/usr/lib/postfix/sbin/master"
SENDMAIL = "/usr/sbin/sendmail"
DOMAINS = ("localhost", "example.org")
DELIVERY_SECONDS = 60.0
USERS = {"postfix": 901, "postdrop": 902, "vmail": 903}
LOG = "/var/log/postfix.log"
QUEUE = "/var/spool/postfix"
BOX = "/var/mail/box"
WAITING = ("maildrop", "incoming", "active", "deferred")

_MAIN = """\
compatibility_level = 3.6
maillog_file = {log}
myhostname = mail.example.org
mydestination =
inet_interfaces = 127.0.0.1
alias_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {base}
virtual_mailbox_maps = static:{box}/
virtual_mailbox_limit = 0
smtpd_forbid_bare_newline = no
virtual_uid_maps = static:{vmail}
virtual_gid_maps = static:{vmail}
"""
# The lines of the package's own master.cf that are not about programs of others.
_MASTER = """\
{port}     inet  n - n -     - smtpd
pickup     unix  n - n 60    1 pickup
cleanup    unix  n - n -     0 cleanup
qmgr       unix  n - n 300   1 qmgr
rewrite    unix  - - n -     - trivial-rewrite
bounce     unix  - - n -     0 bounce
defer      unix  - - n -     0 bounce
trace      unix  - - n -     0 bounce
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n -     - proxymap
error      unix  - - n -     - error
retry      unix  - - n -     - error
discard    unix  - - n -     - discard
virtual    unix  - n n -     - virtual
anvil      unix  - - n -     1 anvil
postlog    unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Where it listens, the words of its ``sendmail -bs``, and what it delivered."""

    host = "localhost"

    def __init__(self, folder: Path, more: str = "") -> None:
        """Write the configuration, with ``more`` at the end of main.cf."""
        self.root = PrivateRoot(folder, "postfix", USERS)
        (self.port,) = free_ports(1)
        self._make_folders()
        etc = self.root.path("/etc/postfix")
        base, _, box = BOX.rpartition("/")
        main = _MAIN.format(
            log=LOG, domains=", ".join(DOMAINS), base=base, box=box, vmail=USERS["vmail"]
        )
        (etc / "main.cf").write_text(main + more)
        (etc / "master.cf").write_text(_MASTER.format(port=self.port))
        command = " ".join(self.root.argv(SENDMAIL, "-bs"))
        self._sendmail = script(folder / "sendmail-bs", f"exec {command}\n")

    def _make_folders(self) -> None:
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold"):
            self.root.make_folder(f"{QUEUE}/{name}", "postfix", 0o700)
        for name in ("incoming", "private", "saved", "trace"):
            self.root.make_folder(f"{QUEUE}/{name}", "postfix", 0o700)
        self.root.make_folder(f"{QUEUE}/maildrop", "postfix", 0o730, "postdrop")
        self.root.make_folder(f"{QUEUE}/public", "postfix", 0o710, "postdrop")
        self.root.make_folder(f"{QUEUE}/pid", "root")
        self.root.make_folder("/var/lib/postfix", "postfix")
        # Without it postlogd complains to itself, and all wait for it.
        self.root.make_folder(LOG.rpartition("/")[0], "root")
        self.root.make_folder(BOX.rpartition("/")[0], "vmail")

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Listen and deliver until the block ends."""
        output = self.root.folder.with_suffix(".output")
        with running(self.root.argv(MASTER, "-d"), output=output, ports=[self.port]):
            yield

    @property
    def bs_argv(self) -> list[str]:
        """The program that speaks SMTP on its standard input and output."""
        return [str(self._sendmail)]

    def delivered(self) -> list[Path]:
        """Return the files of what was delivered, once nothing is in the queue any more."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while any(self._queued()):
            if time.monotonic() > deadline:
                raise ServerFailed(f"Postfix still holds mail; its log:\n{self.log()[-2000:]}")
            time.sleep(PACE_SECONDS)
        return [*self.root.path(BOX).glob("new/*")]

    def clear(self) -> None:
        """Forget what was delivered."""
        for path in self.delivered():
            path.unlink()

    def log(self) -> str:
        """Return what it wrote so far."""
        path = self.root.path(LOG)
        return path.read_text(errors="replace") if path.exists() else ""

    def _queued(self) -> Iterator[Path]:
        for name in WAITING:
            found = self.root.path(f"{QUEUE}/{name}").rglob("*")
            yield from (path for path in found if path.is_file())
