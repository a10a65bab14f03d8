"""Entries of rc files as people write them, for the private servers."""

from __future__ import annotations

import os
import pwd

from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.sshd import Sshd

CENTRAL = "centralserver.myisp.net"
"""A host that only ssh knows how to reach."""
CALLER = pwd.getpwuid(os.geteuid()).pw_name
"""Who runs the tests: without ``user`` in the rc file, login and recipient alike."""


def ssh_in(sshd: Sshd) -> str:
    """No user, no password, no word on TLS, and a command over two lines."""
    return (
        f"skip {CENTRAL} protocol IMAP:\n"
        f"    preauth ssh\n"
        f'    plugin "ssh -i {sshd.mykey}\n'
        f'        joeuser@{CENTRAL} /usr/sbin/imapd"\n'
    )


def ssh_out(sshd: Sshd) -> str:
    """What follows ``ssh_in`` where mail leaves by ssh too."""
    return (
        f'    plugout "ssh -i {sshd.myotherkey}\n'
        f'        joeuser@smtpserver.myisp.net /usr/lib/sendmail -bs"\n'
    )


def ssh_path(sshd: Sshd) -> dict[str, str]:
    """Return the environment in which ``ssh`` reaches the private server."""
    return {"PATH": f"{sshd.bin}:{os.environ.get('PATH', os.defpath)}"}


def tls_in(dovecot: Dovecot, user: str) -> str:
    """An account with a password, over TLS from the first byte."""
    return (
        f"skip localhost port {dovecot.imaps_port} protocol IMAP:\n"
        f"    user {user} password {dovecot.password}\n"
        f"    ssl\n"
    )


def starttls_in(dovecot: Dovecot, user: str) -> str:
    """The same account without the word ``ssl``."""
    return (
        f"skip localhost port {dovecot.imap_port} protocol IMAP:\n"
        f"    user {user} password {dovecot.password}\n"
    )


def piped_in(dovecot: Dovecot, user: str, name: str = "mail.example.org") -> str:
    """An imapd on a pipe: the quickest way in, where the way does not matter.

    The words in the second line are what the real fetchmail needs; they change nothing here.
    """
    return (
        f"skip {name} no dns protocol IMAP preauth ssh\n"
        f'    plugin "{" ".join(dovecot.preauth_argv(user))}"\n'
        f"    user {user} sslproto ''\n"
    )


def trusting(certificates: Certificates) -> dict[str, str]:
    """Return the environment in which the private servers' certificates are good."""
    return {"SSL_CERT_FILE": str(certificates.authority)}
