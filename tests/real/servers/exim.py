"""A private Exim 4: an SMTP listener, ``-bs`` on a pipe and a sendmail command, one spool.

Refusals on demand:

* the recipients ``refused@...`` (550) and ``later@...`` (451), at RCPT;
* any domain that is not in DOMAINS (550), at RCPT;
* messages with ``X-Refuse: dot`` (550) or ``X-Refuse: later`` (451), after the final dot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .maildir import Maildir
from .process import (
    OWNER,
    PACE_SECONDS,
    ServerFailed,
    free_ports,
    owned_folder,
    program,
    running,
    script,
)

EXIM = "/usr/sbin/exim4"
DOMAINS = ("localhost", "example.org", "example.net")
DELIVERY_SECONDS = 20.0

# Exim gives up root for a configuration that is not compiled in, so nothing here needs root:
# the spool belongs to OWNER, who also delivers (deliver_drop_privilege). A bounce that
# cannot be delivered is dropped, for it would keep the spool from ever being empty. With
# smtp_accept_queue_per_connection at its default the eleventh message of a connection
# would wait for a queue runner, which we do not have. The envelope goes before
# each stored message, since a file name made from a recipient counts as tainted.
_CONFIGURATION = """\
exim_user = {owner}
exim_group = {owner}
deliver_drop_privilege
primary_hostname = localhost
helo_lookup_domains =
qualify_domain = localhost
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/spool/pid
notifier_socket =
keep_environment =
add_environment = PATH=/usr/bin:/bin
check_spool_space = 0
check_log_space = 0
tls_advertise_hosts =
smtp_accept_queue_per_connection = 0
smtp_accept_max = 0
ignore_bounce_errors_after = 0s
domainlist served = {domains}
acl_smtp_rcpt = check_recipient
acl_smtp_data = check_message

begin acl
check_recipient:
  deny
    local_parts = refused
    message = no such user here
  defer
    local_parts = later
    message = come back later
  accept
    domains = +served
  deny
    message = relay not permitted

check_message:
  deny
    condition = ${{if eq{{$h_X-Refuse:}}{{dot}}}}
    message = this message is not wanted
  defer
    condition = ${{if eq{{$h_X-Refuse:}}{{later}}}}
    message = this message is not wanted now
  accept

begin routers
refused:
  driver = redirect
  local_parts = refused
  allow_fail
  data = :fail: no such user here

everybody:
  driver = accept
  domains = +served
  caseful_local_part
  transport = box

begin transports
box:
  driver = appendfile
  directory = {folder}/box
  maildir_format
  create_directory
  user = {owner}
  group = {owner}
  message_prefix = "$sender_address\\n$local_part@$domain\\n"
  message_suffix =
"""

_SENDMAIL_SCRIPT = """\
exec {exim} -C {configuration} "$@"
"""


@dataclass(frozen=True)
class Delivered:
    """One message as Exim stored it for one recipient.

    Lines of ``data`` end in LF. Exim put a Received field on top, and those of Message-Id,
    From and Date that were missing from a message that came by a local program.
    ``sender`` is empty for a bounce.
    """

    sender: str
    recipient: str
    data: bytes = field(repr=False)


class Exim:
    """A private Exim's listener, its sendmail command, and what was delivered.

    The sendmail command works whether the listener runs or not.
    """

    host = "localhost"

    def __init__(self, folder: Path) -> None:
        """Write the configuration below ``folder``: a path that everybody may enter."""
        folder.mkdir()
        self.folder = folder
        (self.port,) = free_ports(1)
        for name in ("spool", "log", "box"):
            owned_folder(folder / name)
        self.configuration = folder / "exim.conf"
        self.configuration.write_text(
            _CONFIGURATION.format(folder=folder, owner=OWNER, domains=" : ".join(DOMAINS))
        )
        self.sendmail = script(
            folder / "sendmail",
            _SENDMAIL_SCRIPT.format(exim=program(EXIM), configuration=self.configuration),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen until the block ends."""
        with running(
            [EXIM, "-C", str(self.configuration), "-bdf", "-oX", f"127.0.0.1.{self.port}"],
            output=self.folder / "output",
            ports=[self.port],
        ):
            yield

    @property
    def bs_argv(self) -> list[str]:
        """The program that speaks SMTP on its standard input and output."""
        return [str(self.sendmail), "-bs"]

    @property
    def sendmail_argv(self) -> list[str]:
        """The stand-in for ``/usr/lib/sendmail -oem``; add ``-f SENDER RECIPIENT...``."""
        return [str(self.sendmail), "-oem"]

    def delivered(self) -> list[Delivered]:
        """Return what was delivered since the last clear(), in the order of delivery.

        Exim delivers after its 250, each message in a process of its own: this waits until the
        spool is empty, so that all that was accepted is in the answer; messages that
        came close together may have overtaken each other.
        """
        self._settle()
        return [_parse(stored) for stored in self._box.messages()]

    def clear(self) -> None:
        """Forget what was delivered."""
        self._settle()
        for path in self._box.files():
            path.unlink()

    def log(self) -> str:
        """Return Exim's main log."""
        path = self.folder / "log" / "mainlog"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _box(self) -> Maildir:
        return Maildir(self.folder / "box")

    def _settle(self) -> None:
        deadline = time.monotonic() + DELIVERY_SECONDS
        while any((self.folder / "spool").glob("input/*")):
            if time.monotonic() > deadline:
                raise ServerFailed(f"Exim still holds mail; its log:\n{self.log()[-2000:]}")
            time.sleep(PACE_SECONDS)


def _parse(stored: bytes) -> Delivered:
    sender, recipient, data = stored.split(b"\n", 2)
    return Delivered(sender.decode(), recipient.decode(), data)
