"""sendmail."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.sendmail import Sendmail

from ..trials import DOMAIN, USERS, Trial, accounts, addresses
from .place import Place
from .versions import package_label


@contextmanager
def sendmail(place: Place) -> Generator[list[Trial]]:
    """Yield the trial."""
    good, users = place.certificates.good, (*USERS, "postmaster")
    server = Sendmail(place.folder / "sendmail", good, users, DOMAIN)
    label = package_label("sendmail", "sendmail", "sendmail-bin")
    common = [*accounts(place.folder), *addresses("stranger"), *place.trust]
    common += ["--mail", f"maildir:{server.mail}/%n"]
    with server.running():
        yield [Trial("sendmail", label, "smtp", [f"localhost:{server.port}", *common])]
