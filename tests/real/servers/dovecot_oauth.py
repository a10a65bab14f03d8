"""The private Dovecot with more services, where a token of an issuer is the only password.

Dovecot asks the issuer about each token (RFC 7662) over TLS. It trusts what is in the file given
as ``tls_ca_cert_file`` in its file for this passdb: ``ssl_client_ca_file`` has no effect there.
A refusal of OAUTHBEARER names the issuer's metadata (RFC 7628, 3.2.2).
"""

from __future__ import annotations

from pathlib import Path

from .certificates import Certificates
from .dovecot_services import DovecotServices
from .issuer import INTROSPECTOR, Issuer, secret_of

# The passdb with the password comes first in the file; it is for PLAIN and LOGIN alone.
_CONFIGURATION = """
auth_mechanisms = oauthbearer xoauth2
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {settings}
}}
"""
_SETTINGS = """\
introspection_mode = post
introspection_url = https://{client}:{secret}@localhost:{port}/token/introspection
username_attribute = username
active_attribute = active
active_value = true
scope = mail
tls_ca_cert_file = {authority}
openid_configuration_url = {metadata}
"""


class DovecotOAuth(DovecotServices):
    """As DovecotServices; every login names a user, and a token that the issuer gave for him."""

    def __init__(
        self, folder: Path, certificates: Certificates, issuer: Issuer, relay_port: int = 9
    ) -> None:
        settings = folder / "oauth2.conf"
        more = _CONFIGURATION.format(settings=settings)
        super().__init__(folder, certificates.good, relay_port, more)
        settings.write_text(
            _SETTINGS.format(
                client=INTROSPECTOR,
                secret=secret_of(INTROSPECTOR),
                port=issuer.port,
                authority=certificates.authority,
                metadata=issuer.metadata,
            )
        )
