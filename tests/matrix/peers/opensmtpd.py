"""OpenSMTPD."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.opensmtpd import OpenSmtpd

from ..trials import DOMAIN, USERS, Trial, accounts, addresses
from .place import Place
from .versions import package_label

CONFIGURATION = """\
pki {host} cert "/etc/chain.pem"
pki {host} key "/etc/key.pem"
listen on 127.0.0.1 port {port} hostname {host} tls pki {host}
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
    good = place.certificates.good
    for name, source in (("chain.pem", good.chain), ("key.pem", good.key)):
        path = server.root.path(f"/etc/{name}")
        path.write_bytes(source.read_bytes())
        path.chmod(0o600)
    server.root.path("/etc/smtpd.conf").write_text(
        CONFIGURATION.format(port=server.port, host="localhost", known=known, domain=DOMAIN)
    )
    label = package_label("OpenSMTPD", "opensmtpd")
    mail = f"maildir:{server.root.path('/var/mail')}/%n"
    with server.running():
        yield [
            Trial(
                *("opensmtpd", label, "smtp"),
                [
                    *(f"localhost:{server.port}", *accounts(place.folder), *addresses()),
                    *("--mail", mail, *place.trust),
                ],
            )
        ]
