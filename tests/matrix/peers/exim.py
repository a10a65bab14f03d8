"""Exim: a listener, and ``-bs`` on a pipe."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.real.servers.certificates import Certificate
from tests.real.servers.exim_services import EximServices

from ..trials import USERS, Trial, accounts, addresses
from .place import Place
from .versions import package_label


class EximMailboxes(EximServices):
    """An Exim that delivers to a Maildir for each user. It knows no others but the postmaster."""

    user = USERS[0]

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        super().__init__(folder, certificate)
        text = self.configuration.read_text()
        changes = {
            "  domains = +served\n  caseful_local_part\n": (
                f"  domains = +served\n  local_parts = {' : '.join((*USERS, 'postmaster'))}\n"
            ),
            f"directory = {folder}/box": f"directory = {folder}/box/$local_part_data",
            '  message_prefix = "$sender_address\\n$local_part@$domain\\n"\n': (
                "  message_prefix =\n  return_path_add\n"
            ),
            "accept\n    domains = +served\n": (
                "accept\n    domains = +served\n    verify = recipient\n"
                "  accept\n    local_parts = postmaster\n    domains = +served\n"
            ),
            "{ann}": f"{{{USERS[0]}}}",
        }
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        self.configuration.write_text(text)

    @property
    def mail(self) -> str:
        """The word for --mail."""
        return f"maildir:{self.folder}/box/%n"


@contextmanager
def exim(place: Place) -> Generator[list[Trial]]:
    """Yield the trials of both ways to speak to it."""
    server = EximMailboxes(place.folder / "exim", place.certificates.good)
    label = package_label("Exim", "exim4-daemon-light")
    common = [*accounts(place.folder), *addresses("refused"), "--mail", server.mail]
    pipe = ["--command", shlex.join(server.bs_argv)]
    with server.running():
        yield [
            Trial("exim", label, "smtp", [f"localhost:{server.port}", *common, *place.trust]),
            Trial("exim-bs", f"{label} -bs", "smtp", [*pipe, *common, *place.trust]),
        ]
