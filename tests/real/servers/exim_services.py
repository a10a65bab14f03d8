"""The private Exim with more of its services: STARTTLS, AUTH, DSN, ETRN, VRFY and a size limit."""

from __future__ import annotations

from pathlib import Path

from .certificates import Certificate
from .exim import Exim

USER = "ann"
PASSWORD = "correct-horse"
SIZE_LIMIT = 1_000_000

# Main options have to stand before the first "begin" of the plain Exim's configuration, and the
# authenticators are a part of their own.
_MAIN_OPTIONS = """\
tls_advertise_hosts = *
tls_certificate = {chain}
tls_privatekey = {key}
dsn_advertise_hosts = *
message_size_limit = {size_limit}
acl_smtp_etrn = accept
acl_smtp_vrfy = accept
smtp_etrn_command = /bin/true
"""
_AUTHENTICATORS = """
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and {{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
"""


class EximServices(Exim):
    """Where it listens, and who may log in. Nobody has to."""

    user = USER
    password = PASSWORD

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        super().__init__(folder)
        options = _MAIN_OPTIONS.format(
            chain=certificate.chain, key=certificate.key, size_limit=SIZE_LIMIT
        )
        plain = self.configuration.read_text().replace("tls_advertise_hosts =\n", "")
        accounts = _AUTHENTICATORS.format(user=USER, password=PASSWORD)
        self.configuration.write_text(options + plain + accounts)
