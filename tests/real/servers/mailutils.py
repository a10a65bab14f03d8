"""GNU Mailutils' imap4d and pop3d, one process for each connection, as inetd would start them."""

from __future__ import annotations

import itertools
import pwd
import socket
from contextlib import AbstractContextManager
from pathlib import Path

from .inetd import attached
from .maildir import Maildir
from .process import OWNER, owned_folder

IMAP4D = "/usr/sbin/imap4d"
POP3D = "/usr/sbin/pop3d"
DOMAIN = "example.org"
PASSWORD = "correct-horse"
_CRYPTED = "$5$mailhaultestsalt$vc07iVfUKgeXsCBOqpU6WW5krcbJfEyCUuEebcH.VC5"

# The users are those of a virtual domain, which is a password file of its own: nobody who has an
# account on this machine can log in. A list of modules in one statement is refused by 3.15. What
# proves a password without saying it needs the password itself, from the file of GNU SASL.
_CONFIGURATION = """\
auth {{ authentication clear; }};
auth {{ authentication generic; }};
auth {{ authorization clear; }};
auth {{ authorization virtdomain; }};
virtdomain {{ passwd-dir {folder}/domains; }};
logging {{ syslog no; }};
mailbox {{ mailbox-type maildir; }};
mandatory-locking {{ enable no; }};
tcp-wrappers {{ enable no; }};
gsasl {{ cram-passwd {secrets}; }};
"""


class Mailutils:
    """Users, their mailboxes, and connections to either server."""

    password = PASSWORD

    def __init__(self, folder: Path) -> None:
        """Write the configuration below ``folder``: a path that everybody may enter."""
        folder.mkdir()
        self._folder = folder
        self._names = itertools.count(1)
        self._users = folder / "domains" / DOMAIN
        self._users.parent.mkdir()
        self._secrets = folder / "secrets"
        self._secrets.touch(mode=0o600)
        owned_folder(folder / "home")
        self._configuration = folder / "mailutils.conf"
        self._configuration.write_text(_CONFIGURATION.format(folder=folder, secrets=self._secrets))

    def new_user(self) -> str:
        """Return the name of a new user, who has an empty mailbox."""
        name = f"user{next(self._names)}"
        owner = pwd.getpwnam(OWNER)
        home = owned_folder(self._folder / "home" / name)
        entry = (name, _CRYPTED, str(owner.pw_uid), str(owner.pw_gid), "", str(home), "/bin/false")
        with self._users.open("a") as users:
            print(*entry, sep=":", file=users)
        with self._secrets.open("a") as secrets:
            print(f"{name}@{DOMAIN}\t{PASSWORD}", file=secrets)
        for part in ("tmp", "new", "cur"):
            owned_folder(home / "INBOX" / part)
        return f"{name}@{DOMAIN}"

    def mailbox(self, user: str) -> Maildir:
        """Return a user's mailbox as it is stored."""
        return Maildir(self._folder / "home" / user.partition("@")[0] / "INBOX")

    def imap4d(self) -> AbstractContextManager[socket.socket]:
        """Start an imap4d; the context is the other end of what it speaks on."""
        return self._inetd(IMAP4D)

    def pop3d(self) -> AbstractContextManager[socket.socket]:
        """Start a pop3d; the context is the other end of what it speaks on."""
        return self._inetd(POP3D)

    @property
    def imap4d_argv(self) -> list[str]:
        """The command that is an IMAP server on its standard input and output."""
        return self._argv(IMAP4D)

    @property
    def pop3d_argv(self) -> list[str]:
        """The command that is a POP3 server on its standard input and output."""
        return self._argv(POP3D)

    def _argv(self, path: str) -> list[str]:
        return [path, "--config-file", str(self._configuration), "--inetd"]

    def _inetd(self, path: str) -> AbstractContextManager[socket.socket]:
        return attached(self._argv(path), self._folder / "log")
