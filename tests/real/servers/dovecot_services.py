"""The private Dovecot with more of its services: POP3, submission, SCRAM, COMPRESS, quotas."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .dovecot import Dovecot
from .process import free_ports, program, running

PROGRAMS = ("/usr/lib/dovecot/pop3", "/usr/lib/dovecot/submission", "/usr/lib/dovecot/lmtp")

# These lines stand behind those of the plain Dovecot, and win over them. Without the list index
# there is no NOTIFY about mailboxes that are not selected. For LMTP a mailbox with three messages
# is full, so that one recipient may be refused where another is served.
_CONFIGURATION = """
protocols = imap lmtp pop3 submission
auth_mechanisms = plain login cram-md5 apop scram-sha-1 scram-sha-256
mailbox_list_index = yes
protocol imap {{
  mail_plugins = zlib imap_zlib
}}
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:messages={full}
}}
namespace inbox {{
  mailbox Drafts {{
    auto = create
    special_use = \\Drafts
  }}
  mailbox Archive {{
    special_use = \\Archive
  }}
}}
hostname = mail.example.org
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = {pop3s_port}
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {submission_port}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
"""
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
                _CONFIGURATION.format(
                    folder=folder,
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
            ["/usr/sbin/dovecot", "-F", "-c", str(self.configuration)],
            output=self.log_file,
            ports=[self.imap_port, self.lmtp_port, self.pop3_port, self.submission_port],
        ):
            yield
