"""The private Dovecot with more of its services: POP3, submission, SCRAM, COMPRESS, quotas."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .dovecot import Dovecot
from .dovecot_settings import DOVECOT, service_settings
from .process import free_ports, program, running

PROGRAMS = ("/usr/lib/dovecot/pop3", "/usr/lib/dovecot/submission", "/usr/lib/dovecot/lmtp")

FULL = 3
"""How many messages fill a mailbox, for LMTP."""


class DovecotServices(Dovecot):
    """Where it listens. Mail submitted goes to ``relay_port``, where a test has to listen."""

    def __init__(
        self, folder: Path, certificate: Certificate, relay_port: int = 9, more: str = ""
    ) -> None:
        """Write the configuration, with ``more`` behind all of it."""
        super().__init__(folder, certificate)
        self.pop3_port, self.pop3s_port, self.submission_port = free_ports(3)
        with self.configuration.open("a") as configuration:
            configuration.write(
                service_settings().format(
                    relay_port=relay_port,
                    full=FULL,
                    pop3_port=self.pop3_port,
                    pop3s_port=self.pop3s_port,
                    submission_port=self.submission_port,
                )
                + more
            )

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Serve until the block ends."""
        for path in PROGRAMS:
            program(path)
        with running(
            [DOVECOT, "-F", "-c", str(self.configuration)],
            output=self.log_file,
            ports=[self.imap_port, self.lmtp_port, self.pop3_port, self.submission_port],
        ):
            yield
