"""A private Postfix from an unpacked package: Debian installs one mail server at a time.

Its smtpd runs with the settings that it comes with. Each accepted message is kept as it is handed
to a command: the lines end in LF, below the Received field that Postfix adds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .maildir import Maildir
from .process import OWNER, ServerFailed, free_ports, owned_folder, program, running, script

UNPACKED = Path("/var/cache/mailhaul-tests/postfix")
DELIVERY_SECONDS = 30.0

QUEUES = (
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming"),
    *("maildrop", "private", "public", "saved", "trace"),
)

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {unpacked}/usr/sbin
daemon_directory = {unpacked}/usr/lib/postfix/sbin
shlib_directory = {unpacked}/usr/lib/postfix
meta_directory = {folder}
sendmail_path = {unpacked}/usr/sbin/sendmail
mail_owner = uucp
setgid_group = proxy
default_privs = nobody
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination = localhost, localhost.localdomain, example.org
local_recipient_maps =
local_transport = keep
alias_maps =
alias_database =
import_environment = MAIL_CONFIG LD_LIBRARY_PATH PATH
message_size_limit = 0
mailbox_size_limit = 0
"""
# What is in a queue of one's own has no use for a chroot, so the fifth column is n.
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
keep unix - n n - - pipe user={owner} argv={folder}/keep
"""
_KEEP = """\
name=$(date +%s).M$(date +%N | cut -c1-6)Q$$.localhost
cat >{box}/tmp/$name && mv {box}/tmp/$name {box}/new/$name
"""


class Postfix:
    """A private Postfix, and what it has delivered."""

    def __init__(self, folder: Path) -> None:
        """Write the configuration below ``folder``: a path that everybody may enter."""
        folder.mkdir()
        self.folder = folder
        (self.port,) = free_ports(1)
        for name in ("tmp", "new", "cur"):
            owned_folder(folder / "box" / name)
        (folder / "log").mkdir()
        for name in QUEUES:
            (folder / "queue" / name).mkdir(parents=True)
            shutil.chown(folder / "queue" / name, "uucp", "uucp")
        (folder / "queue" / "pid").mkdir()
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "uucp", "uucp")
        facts = {
            "folder": folder,
            "unpacked": UNPACKED,
            "owner": OWNER,
            "port": self.port,
            "box": folder / "box",
        }
        (folder / "main.cf").write_text(_MAIN.format(**facts))
        (folder / "master.cf").write_text(_MASTER.format(**facts))
        shutil.copy(UNPACKED / "etc/postfix/postfix-files", folder / "postfix-files")
        script(folder / "keep", _KEEP.format(**facts))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        master = program(str(UNPACKED / "usr/lib/postfix/sbin/master"))
        variables = {"LD_LIBRARY_PATH": UNPACKED / "usr/lib/postfix", "MAIL_CONFIG": self.folder}
        environment = [f"{name}={value}" for name, value in variables.items()]
        with running(
            ["/usr/bin/env", *environment, master, "-c", str(self.folder), "-d"],
            output=self.folder / "output",
            ports=[self.port],
        ):
            yield

    def delivered(self) -> list[bytes]:
        """Return what was delivered since the last clear(), once the queue is empty."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        queues = [self.folder / "queue" / name for name in ("incoming", "active", "deferred")]
        while any(path.is_file() for queue in queues for path in queue.rglob("*")):
            if time.monotonic() > deadline:
                raise ServerFailed(f"the queue of Postfix does not become empty: {self.log()}")
            time.sleep(0.02)
        return Maildir(self.folder / "box").messages()

    def clear(self) -> None:
        """Forget what was delivered."""
        self.delivered()
        for path in Maildir(self.folder / "box").files():
            path.unlink()

    def log(self) -> str:
        """Return the mail log."""
        path = self.folder / "log" / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""
