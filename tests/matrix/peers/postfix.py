"""Postfix with the defaults of smtpd, and with the protection against smuggling that it has."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.postfix import Postfix

from ..trials import DOMAIN, USERS, Trial, accounts, addresses
from .place import Place
from .versions import package_label

MAILBOXES = ", ".join(f"{user}@{DOMAIN}={user}/" for user in USERS)
MORE = f"""
myorigin = {DOMAIN}
virtual_mailbox_maps = inline:{{ {MAILBOXES} }}
virtual_alias_maps = inline:{{ postmaster@{DOMAIN}={USERS[0]}@{DOMAIN} }}
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/postfix/chain.pem
smtpd_tls_key_file = /etc/postfix/key.pem
tls_random_source = dev:/etc/postfix/random
"""
TLSMGR = "tlsmgr     unix  - - n 1000? 1 tlsmgr\n"
"""Random octets stand in a file, for the private root has no device."""


@contextmanager
def postfix(place: Place) -> Generator[list[Trial]]:
    """Yield the trials."""
    server = Postfix(place.folder / "postfix", MORE)
    etc, good = server.root.path("/etc/postfix"), place.certificates.good
    (etc / "chain.pem").write_bytes(good.chain.read_bytes())
    (etc / "key.pem").write_bytes(good.key.read_bytes())
    (etc / "random").write_bytes(bytes(range(256)) * 16)
    with (etc / "master.cf").open("a") as master:
        master.write(TLSMGR)
    label = package_label("Postfix", "postfix")
    users, mail = accounts(place.folder), f"maildir:{server.root.path('/var/mail')}/%n"
    with server.running():
        yield [
            Trial(
                *("postfix", label, "smtp"),
                [
                    *(f"localhost:{server.port}", *users, *addresses()),
                    *("--mail", mail, *place.trust),
                ],
            )
        ]
