"""The private Dovecot with more services, where a token of an issuer is the only password.

Dovecot asks the issuer about each token (RFC 7662) over TLS.
A refusal of OAUTHBEARER names the issuer's metadata (RFC 7628, 3.2.2).
"""

from __future__ import annotations

from pathlib import Path

from .certificates import Certificates
from .dovecot_services import DovecotServices
from .dovecot_settings import OAUTH_FILE_23, has_new_settings, oauth_settings
from .issuer import INTROSPECTOR, Issuer, secret_of


class DovecotOAuth(DovecotServices):
    """As DovecotServices; every login names a user, and a token that the issuer gave for him."""

    def __init__(
        self, folder: Path, certificates: Certificates, issuer: Issuer, relay_port: int = 9
    ) -> None:
        settings = folder / "oauth2.conf"
        values = {
            "introspection": introspection_url(issuer),
            "authority": certificates.authority,
            "metadata": issuer.metadata,
            "settings": settings,
        }
        more = oauth_settings().format_map(values)
        super().__init__(folder, certificates.good, relay_port, more)
        if not has_new_settings():
            settings.write_text(OAUTH_FILE_23.format_map(values))


def introspection_url(issuer: Issuer) -> str:
    """Return where a token is asked about, with the password of the client that may ask."""
    secret = secret_of(INTROSPECTOR)
    return f"https://{INTROSPECTOR}:{secret}@localhost:{issuer.port}/token/introspection"
