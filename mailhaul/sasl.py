r"""SASL without a socket: both sides of the mechanisms that mail protocols log in with (RFC 4422).

    from mailhaul import sasl

    account = sasl.Credentials(b"joe", sasl.Secret(b"sesame"))
    mechanism = sasl.make_client(b"PLAIN", account, nonce=b"")
    sasl.Authenticate(mechanism.name, mechanism.initial_response())  # for a client's send()

``choose`` says which mechanisms to try; ``make_client`` and ``make_server`` make one side of one
exchange. docs/core.md is the guide, docs/api/sasl.md lists all names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocols.errors import (
        LimitExceeded,
        LocalProtocolError,
        ProtocolError,
        RemoteProtocolError,
    )
    from .protocols.limits import DEFAULT_LIMITS, Limits
    from .protocols.sasl.choose import choose, make_client
    from .protocols.sasl.client_mechanisms import ClientMechanism, CramMd5, External, Login, Plain
    from .protocols.sasl.client_oauth import OAuthBearer, XOAuth2
    from .protocols.sasl.client_scram import Scram
    from .protocols.sasl.credentials import ChannelBinding, Credentials
    from .protocols.sasl.errors import SaslError, SaslLimitExceeded, ScramRefused
    from .protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
    from .protocols.sasl.gssapi import ContextFailed, Gssapi, SecurityContext
    from .protocols.sasl.scram import ScramKeys, scram_keys
    from .protocols.sasl.server_mechanisms import (
        Accepted,
        Accounts,
        CramMd5Server,
        ExternalServer,
        LoginServer,
        PlainServer,
        Refused,
        ServerMechanism,
        Verdict,
        make_server,
    )
    from .protocols.sasl.server_oauth import OAuthBearerServer, XOAuth2Server
    from .protocols.sasl.server_scram import ScramServer
    from .protocols.secret import Secret
else:
    from ._lazy import load_lazily

    load_lazily(
        globals(),
        "protocols",
        "secret",
        "limits",
        "errors",
        "sasl.exchange",
        "sasl.errors",
        "sasl.credentials",
        "sasl.choose",
        "sasl.client_mechanisms",
        "sasl.client_oauth",
        "sasl.client_scram",
        "sasl.gssapi",
        "sasl.server_mechanisms",
        "sasl.server_oauth",
        "sasl.server_scram",
        "sasl.scram",
    )

__all__ = [
    "DEFAULT_LIMITS",
    "Accepted",
    "Accounts",
    "Authenticate",
    "CancelAuthentication",
    "Challenge",
    "ChannelBinding",
    "ClientMechanism",
    "ContextFailed",
    "CramMd5",
    "CramMd5Server",
    "Credentials",
    "External",
    "ExternalServer",
    "Gssapi",
    "LimitExceeded",
    "Limits",
    "LocalProtocolError",
    "Login",
    "LoginServer",
    "OAuthBearer",
    "OAuthBearerServer",
    "Plain",
    "PlainServer",
    "ProtocolError",
    "Refused",
    "RemoteProtocolError",
    "Respond",
    "SaslError",
    "SaslLimitExceeded",
    "Scram",
    "ScramKeys",
    "ScramRefused",
    "ScramServer",
    "Secret",
    "SecurityContext",
    "ServerMechanism",
    "Verdict",
    "XOAuth2",
    "XOAuth2Server",
    "choose",
    "make_client",
    "make_server",
    "scram_keys",
]
