"""A private Dovecot: IMAP in clear and over TLS, LMTP, and a pre-authenticated imapd."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .dovecot_settings import DOVECOT, base_settings, imapd_words
from .maildir import Maildir
from .process import OWNER, free_ports, owned_folder, program, running, script

PASSWORD = "correct-horse"
LMTPD = "/usr/lib/dovecot/lmtp"

# As root, and with a socket as its standard output, imap takes itself for a child of inetd
# and refuses; as OWNER it may have any stream.
_IMAPD_SCRIPT = """\
# Usage: imapd USER
USER="$1" HOME="{folder}/home/$1"
export USER HOME
exec {setpriv} --reuid={owner} --regid={owner} --clear-groups {imapd}
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
            base_settings().format(
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
                imapd=" ".join(imapd_words(self.configuration)),
            ),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        program(LMTPD)
        with running(
            [DOVECOT, "-F", "-c", str(self.configuration)],
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
