"""A private Dovecot 2.3: IMAP in clear and over TLS, LMTP, and a pre-authenticated imapd."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .maildir import Maildir
from .process import OWNER, free_ports, owned_folder, program, running, script

PASSWORD = "correct-horse"
IMAPD = "/usr/lib/dovecot/imap"
LMTPD = "/usr/lib/dovecot/lmtp"

# Any user name exists, all with one password. A mailbox belongs to the local part alone, so
# that LMTP for ann@example.org and a login as ann mean the same one. The two auth settings
# and the anvil block switch off the growing wait after a wrong password. LMTP adds nothing but a
# Return-Path, so that what is stored can be compared with what was sent. No token
# is compared with the password: the mechanism "none" is the look-up of a recipient.
_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_format = %Ln
auth_cache_size = 0
mail_location = maildir:{folder}/mail/%n
mail_uid = {owner}
mail_gid = {owner}
first_valid_uid = 0
first_valid_gid = 0
mail_max_userip_connections = 100
stats_writer_socket_path =
lmtp_add_received_header = no
lmtp_hdr_delivery_address = none
postmaster_address = postmaster@example.org
namespace inbox {{
  inbox = yes
  separator = /
}}
passdb {{
  driver = static
  mechanisms = none plain login cram-md5 apop scram-sha-1 scram-sha-256
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/home/%n
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
  unix_listener lmtp {{
    mode = 0600
  }}
}}
"""

# As root, and with a socket as its standard output, imap takes itself for a child of inetd
# and refuses; as OWNER it may have any stream.
_IMAPD_SCRIPT = """\
# Usage: imapd USER
USER="$1" HOME="{folder}/home/$1"
export USER HOME
exec {setpriv} --reuid={owner} --regid={owner} --clear-groups {imapd} -c {configuration}
"""


class Dovecot:
    """Where a private Dovecot listens, and the mailboxes behind it.

    The pre-authenticated imapd works whether the server runs or not.
    """

    host = "localhost"
    password = PASSWORD

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        """Write the configuration below ``folder``: a short path that everybody may enter."""
        folder.mkdir()
        owned_folder(folder / "mail")
        owned_folder(folder / "home")
        self.folder = folder
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        self.lmtp_socket = folder / "run" / "lmtp"
        self.log_file = folder / "log"
        self._names = itertools.count(1)
        self.configuration = folder / "dovecot.conf"
        self.configuration.write_text(
            _CONFIGURATION.format(
                folder=folder,
                chain=certificate.chain,
                key=certificate.key,
                owner=OWNER,
                password=PASSWORD,
                imap_port=self.imap_port,
                imaps_port=self.imaps_port,
                lmtp_port=self.lmtp_port,
            )
        )
        self.imapd = script(
            folder / "imapd",
            _IMAPD_SCRIPT.format(
                folder=folder,
                setpriv=program("setpriv"),
                owner=OWNER,
                imapd=program(IMAPD),
                configuration=self.configuration,
            ),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        program(LMTPD)
        with running(
            ["/usr/sbin/dovecot", "-F", "-c", str(self.configuration)],
            output=self.log_file,
            ports=[self.imap_port, self.imaps_port, self.lmtp_port],
        ):
            yield

    def preauth_argv(self, user: str) -> list[str]:
        """Return the program that speaks IMAP on its standard input and output for ``user``.

        No word holds a blank, so that they may be joined into a plugin string.
        """
        return [str(self.imapd), user]

    def new_user(self) -> str:
        """Return the name of a user whose mailbox nothing has touched."""
        return f"user{next(self._names)}"

    def mailbox(self, user: str, folder: str = "INBOX") -> Maildir:
        """Return a folder as Dovecot stores it (Maildir++: "." before every part)."""
        root = self.folder / "mail" / user
        return Maildir(root if folder == "INBOX" else root / f".{folder.replace('/', '.')}")

    def maildir(self, user: str) -> Path:
        """Return where the user's inbox is kept."""
        return self.mailbox(user).path

    def deliver(self, user: str, message: bytes, flags: str = "") -> None:
        """Put ``message`` into the user's inbox as it is; see Maildir.deliver."""
        self.mailbox(user).deliver(message, flags)

    def messages(self, user: str) -> list[bytes]:
        """Return what the user's inbox holds, oldest first."""
        return self.mailbox(user).messages()

    def flags(self, user: str) -> list[str]:
        """Return the flag letters of each message in the user's inbox, oldest first."""
        return self.mailbox(user).flags()

    def clear(self, user: str) -> None:
        """Forget the user's mailbox with all its folders and UIDs."""
        self.mailbox(user).clear()

    def log(self) -> str:
        """Return what the server wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
