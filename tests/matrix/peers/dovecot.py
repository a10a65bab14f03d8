"""Dovecot: IMAP, POP3, LMTP, submission by way of Exim, and an imapd on a pipe."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.dovecot_services import DovecotServices
from tests.real.servers.dovecot_settings import has_new_settings
from tests.real.servers.process import ServerFailed

from ..trials import PASSWORD, USERS, Trial, accounts, addresses
from .exim import EximMailboxes
from .place import Place
from .versions import package_label

FULL = 400
"""Messages that fill a mailbox: more than one run delivers."""
# The index of an earlier session may be as old as the second in which the mail was replaced, so
# POP3 has none.
MORE = """
plugin {{
  quota_rule = *:messages={full}
}}
protocol pop3 {{
  mail_location = maildir:{folder}/mail/%n:INDEX=MEMORY
}}
"""


class DovecotPeer(DovecotServices):
    """A Dovecot that knows its users: an unknown one is refused, and ``full`` has no room."""

    def __init__(self, place: Place, relay_port: int) -> None:
        if has_new_settings():
            raise ServerFailed("Dovecot 2.4 knows its users by other settings, which are missing")
        folder = place.folder / "dovecot"
        more = MORE.format(full=FULL, folder=folder)
        super().__init__(folder, place.certificates.good, relay_port, more)
        users = self.folder / "users"
        users.write_text("".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in (*USERS, "full")))
        text = self.configuration.read_text()
        for anybody, known in (
            ("passdb {\n  driver = static\n", "passdb {\n  driver = passwd-file\n"),
            (f"args = password={PASSWORD}\n", f"args = username_format=%n {users}\n"),
        ):
            assert anybody in text
            text = text.replace(anybody, known)
        self.configuration.write_text(text)
        for _ in range(FULL):
            self.deliver("full", b"Subject: full\r\n\r\nfull\r\n")


@contextmanager
def dovecot(place: Place) -> Generator[list[Trial]]:
    """Yield the trials of all services."""
    relay = EximMailboxes(place.folder / "relay", place.certificates.good)
    server = DovecotPeer(place, relay.port)
    label = package_label("Dovecot", "dovecot-core")
    users, mail = accounts(place.folder), ["--mail", f"maildir:{server.folder}/mail/%n"]
    common = [*users, *place.trust]
    full = ["--failing-recipient", "full@example.org"]
    pipe = shlex.join(server.preauth_argv(USERS[0]))
    with relay.running(), server.running():
        yield [
            Trial("dovecot-imap", label, "imap", [f"localhost:{server.imap_port}", *common]),
            Trial("dovecot-pop3", label, "pop3", [f"localhost:{server.pop3_port}", *common, *mail]),
            Trial(
                *("dovecot-lmtp", label, "lmtp"),
                [f"localhost:{server.lmtp_port}", *common, *mail, *addresses(), *full],
            ),
            Trial(
                *("dovecot-submission", f"{label} submission", "smtp"),
                [
                    *(f"localhost:{server.submission_port}", *common, *addresses("refused")),
                    *("--mail", relay.mail, "--login-first"),
                ],
            ),
            Trial("dovecot-preauth", f"{label} on a pipe", "imap", ["--command", pipe, *users]),
        ]
