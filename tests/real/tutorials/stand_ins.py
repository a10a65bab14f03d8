"""Servers with the names that the pages use, on loopback ports, and an ssh that finds one."""

from __future__ import annotations

import getpass
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme

from mailhaul import imap, pop3, servers, smtp

from ..servers.certificates import Certificate
from ..servers.ours import listening
from ..servers.process import script
from ..servers.sshd import SSH, Sshd

NAMES = (
    *("imap.example.net", "imap.example.org", "mail.example.net", "pop.example.net"),
    *("tickets.example.net", "pop.old-provider.example", "imap.old-provider.example"),
    *("imap.gmail.com", "imap.new-provider.example"),
)
PASSWORDS = {b"joe": b"some-pass-word", b"desk": b"some-pass-word", b"support": b"some-pass-word"}


def message(number: int) -> bytes:
    """Return a message with a number in its Message-ID."""
    return (
        b"Message-ID: <t%d@example.org>\r\nFrom: ann@example.org\r\nTo: joe@example.net\r\n"
        b"Date: Tue, 01 Dec 2026 10:00:0%d +0000\r\nSubject: number %d\r\n\r\nHello\r\n"
        % (number, number % 10, number)
    )


@dataclass
class StandIns:
    """What listens, by the names that pages use. ``places`` is for a Reader."""

    folder: Path
    stack: ExitStack
    places: dict[str, int] = field(default_factory=dict[str, int])
    taken: servers.MemorySink = field(default_factory=servers.MemorySink)

    def __post_init__(self) -> None:
        """Make a certificate for all names."""
        self._issuer = trustme.CA()
        self.authority = self.folder / "authority.pem"
        self._issuer.cert_pem.write_to_path(str(self.authority))
        self.certificate = self.issue(*NAMES)

    def issue(self, *names: str) -> Certificate:
        """Return a certificate for these names."""
        stored = Certificate(self.folder / f"{names[0]}.pem", self.folder / f"{names[0]}.key")
        issued = self._issuer.issue_cert(*names)
        issued.cert_chain_pems[0].write_to_path(str(stored.chain))
        issued.private_key_pem.write_to_path(str(stored.key))
        return stored

    @property
    def environment(self) -> dict[str, str]:
        """What makes the certificate good."""
        return {"SSL_CERT_FILE": str(self.authority)}

    def imap(
        self, mailbox: servers.Mailbox, *names: str, users: Mapping[bytes, bytes] = PASSWORDS
    ) -> None:
        """Serve a mailbox and an empty one by IMAP over TLS; every user has the same."""
        mailboxes = servers.Mailboxes({b"INBOX": mailbox, b"Lists/news": servers.Mailbox()})

        def serve(channel: Any, secure: Any) -> Any:
            del secure
            return servers.serve_imap(channel, mailboxes, users)

        self._listen(imap.Server, serve, 993, names, tls=True)

    def pop3(
        self, mailbox: servers.Mailbox, *names: str, users: Mapping[bytes, bytes] = PASSWORDS
    ) -> None:
        """Serve a mailbox by POP3 over TLS."""
        drop, logins = servers.Maildrop(mailbox), servers.Logins(users)

        def serve(channel: Any, secure: Any) -> Any:
            del secure
            return servers.serve_pop3(channel, drop, logins)

        self._listen(pop3.Server, serve, 995, names, tls=True)

    def smtp(self, *names: str) -> None:
        """Take mail into ``taken``."""

        def serve(channel: Any, secure: Any) -> Any:
            del secure
            return servers.serve_smtp(channel, self.taken)

        self._listen(smtp.Server, serve, 25, names, tls=False)

    def _listen(
        self, make: Any, serve: Any, port: int, names: tuple[str, ...], *, tls: bool
    ) -> None:
        number = self.stack.enter_context(
            listening(make, serve, self.certificate, implicit_tls=tls)
        )
        self.places |= {f"{name}:{port}": number for name in names}


class SshHost:
    """The machine at the other end of ssh, whose user may log in and write authorized_keys.

    Unless an Sshd is given, its first key opens a shell in ``home``: the login that a reader has.
    """

    def __init__(self, folder: Path, sshd: Sshd | None = None) -> None:
        folder.mkdir()
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True)
        shell = script(
            folder / "shell",
            f'HOME={self.home}\nexport HOME\ncd\nexec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n',
        )
        self.sshd = sshd or Sshd(folder / "ssh", mykey=[str(shell)], myotherkey=["false"])
        allowed = self.home / ".ssh" / "authorized_keys"
        allowed.symlink_to(self.sshd.folder / "authorized_keys")

    def reached_by(self, home: Path, *names: str) -> None:
        """Give a reader an ssh to these hosts, and the knowledge of their host keys."""
        kind, key = (self.sshd.folder / "host.pub").read_text().split()[:2]
        (home / ".ssh").mkdir(mode=0o700)
        known = home / ".ssh" / "known_hosts"
        known.write_text("".join(f"{name} {kind} {key}\n" for name in names))
        # The usual login has its key here alone, so that no other connection offers it.
        usual = home / "usual-login"
        usual.write_text(
            f"Host {' '.join(names)}\n  IdentityFile {self.sshd.mykey}\n  IdentitiesOnly yes\n"
            f"Match all\n  Include {home}/.ssh/config\n"
        )
        connect = home / "connect.py"
        connect.write_text(_CONNECT.format(port=self.sshd.port))
        words = [
            *(SSH, "-F", str(usual), "-o", f"User={getpass.getuser()}"),
            *("-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", f"ProxyCommand={sys.executable} -IS {connect}"),
            *("-o", "ProxyUseFdpass=yes"),
        ]
        script(home / ".local" / "bin" / "ssh", f'exec {shlex.join(words)} "$@"\n')


_CONNECT = """\
import socket
connection = socket.create_connection(("127.0.0.1", {port}))
socket.send_fds(socket.socket(fileno=1), [b"x"], [connection.fileno()])
"""
"""Opens the connection that ssh then uses, whatever the name of the host (ProxyUseFdpass)."""


@contextmanager
def stand_ins(folder: Path) -> Iterator[StandIns]:
    """Yield servers that end with the block."""
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        yield StandIns(folder, stack)
