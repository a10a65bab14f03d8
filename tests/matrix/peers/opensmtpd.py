"""OpenSMTPD, without TLS: 6.8 cannot use the elliptic keys of our certificates."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.opensmtpd import OpenSmtpd

from ..trials import DOMAIN, USERS, Trial, accounts, addresses
from .place import Place
from .versions import package_label

CONFIGURATION = """\
listen on 127.0.0.1 port {port} hostname {domain}
table known {{ {known} }}
action "box" maildir "/var/mail/%{{rcpt.user}}" virtual <known>
match from any for domain "{domain}" action "box"
"""


@contextmanager
def opensmtpd(place: Place) -> Generator[list[Trial]]:
    """Yield the trial."""
    server = OpenSmtpd(place.folder / "opensmtpd")
    names = (*USERS, "postmaster")
    known = ", ".join(f'"{user}@{DOMAIN}" = vmail' for user in names)
    server.root.path("/etc/smtpd.conf").write_text(
        CONFIGURATION.format(port=server.port, known=known, domain=DOMAIN)
    )
    label = package_label("OpenSMTPD", "opensmtpd")
    mail = f"maildir:{server.root.path('/var/mail')}/%n"
    with server.running():
        yield [
            Trial(
                *("opensmtpd", label, "smtp"),
                [
                    *(f"localhost:{server.port}", *accounts(place.folder), *addresses()),
                    *("--mail", mail),
                ],
            )
        ]
