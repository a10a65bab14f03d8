"""Every kind of secret, and every way to keep one outside the rc file: two tables.

The options (``passwordfile``, ``esmtppasswordeval``, ...), the checks, the lexer, the dumps and the
reader (``secrets``) follow from them. A new kind is one row of SECRETS; a new way is one row of
WAYS and one method of the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .settings import AccountSettings

NO_PASSWORD: Final = frozenset(
    {"otp", "kerberos4", "kerberos5", "gssapi", "ssh", "external", "oauth"}
)
"""Values of ``auth`` with which no password is sent."""
TOKEN_AUTHS: Final = frozenset({"oauth", "oauthbearer", "xoauth2"})
"""Values of ``auth`` with which a token is sent."""


COMMAND: Final = "command"
MACHINE: Final = "machine"
"""What the value of an option leads to: a command, something that only this process has."""


class SecretWay:
    """One way to keep a secret outside the rc file.

    The option is the name of the secret and ``suffix``. ``argument`` is the kind of its argument,
    and ``leads_to`` are as in ``options``; ``{}`` in ``help`` is the description of the secret.
    """

    __slots__ = ("argument", "help", "leads_to", "suffix")

    def __init__(self, suffix: str, argument: str, help: str, leads_to: str = "") -> None:
        self.suffix = suffix
        self.argument = argument
        self.help = help
        self.leads_to = leads_to


FILE: Final = "file"
EVAL: Final = "eval"
DESCRIPTOR: Final = "fd"
VARIABLE: Final = "env"
KEYRING: Final = "keyring"

WAYS: Final = (
    SecretWay(FILE, "path", "file whose first line is the {}"),
    SecretWay(EVAL, "text", "command that prints the {}", COMMAND),
    SecretWay(DESCRIPTOR, "number", "file descriptor to read the {} from", MACHINE),
    SecretWay(VARIABLE, "text", "environment variable with the {}", MACHINE),
    SecretWay(KEYRING, "text", "SERVICE or SERVICE/USER of the {} in the system keyring", MACHINE),
)


class SecretKind:
    """One kind of secret. ``name`` is the option that contains it.

    ``level``, ``keywords`` and ``own`` are as in ``options``. ``login`` returns the login that
    belongs to it, and ``hosts`` the hosts whose entries of .netrc may contain it.
    """

    __slots__ = ("help", "hosts", "keywords", "level", "login", "name", "options", "own")

    def __init__(
        self,
        name: str,
        level: str,
        help: str,
        *,
        login: Callable[[AccountSettings], str],
        hosts: Callable[[AccountSettings], tuple[str | None, ...]] = lambda settings: (),
        keywords: str = "",
        own: bool = False,
    ) -> None:
        self.name = name
        self.level = level
        self.help = help
        self.login = login
        self.hosts = hosts
        self.keywords = keywords or name
        self.own = own
        self.options = (name, *(name + way.suffix for way in WAYS))
        """The options that say where it is; an account can have one of them."""


def _append_login(settings: AccountSettings) -> str:
    from .imap_url import read_url  # few rc files contain one

    return read_url(settings.append or "").user


def _append_host(settings: AccountSettings) -> tuple[str]:
    from .imap_url import read_url

    return (read_url(settings.append or "").host,)


def _proxy_login(url: str | None) -> tuple[str, str]:
    """Return the user and the host of a proxy; two empty texts if there is no such proxy."""
    from ...protocols.proxy.address import BadProxy, parse_proxy  # few rc files name one

    try:
        proxy = parse_proxy(url or "")
    except BadProxy:
        return "", ""
    return proxy.user.decode("utf-8", "surrogateescape"), proxy.host


SECRETS: Final = {
    kind.name: kind
    for kind in (
        SecretKind(
            "password", "user", "password at the server", keywords="password pass",
            login=lambda settings: settings.remote_user,
            hosts=lambda settings: (settings.pollname, settings.via),
        ),
        SecretKind(
            "appendpassword", "user", "password for append", own=True,
            login=_append_login, hosts=_append_host,
        ),
        SecretKind(
            "esmtppassword", "server", "password at the listener",
            login=lambda settings: settings.esmtpname,
            hosts=lambda settings: tuple(one.partition("/")[0] for one in settings.smtphosts),
        ),
        SecretKind(
            "proxypassword", "server", "password at the proxy to the server", own=True,
            login=lambda settings: _proxy_login(settings.proxy)[0],
            hosts=lambda settings: (_proxy_login(settings.proxy)[1],),
        ),
        SecretKind(
            "proxyoutpassword", "server", "password at the proxy to the listener", own=True,
            login=lambda settings: _proxy_login(settings.proxyout)[0],
            hosts=lambda settings: (_proxy_login(settings.proxyout)[1],),
        ),
        SecretKind(
            "oauthsecret", "server", "client secret that the issuer gave you", own=True,
            login=lambda settings: settings.oauthclient or "",
        ),
        SecretKind(
            "oauthrefresh", "server", "refresh token from elsewhere", own=True,
            login=lambda settings: settings.remote_user,
        ),
    )
}  # fmt: skip
"""The kinds of secrets by name."""

SECRET_WORDS: Final = tuple(word for kind in SECRETS.values() for word in kind.keywords.split())
"""The keywords after which a secret follows in the rc file."""
SECRET_FILES: Final = tuple(name + FILE for name in SECRETS)
"""The options that name a file with a secret."""
SECRET_VARIABLES: Final = tuple(name + VARIABLE for name in SECRETS)
"""The options that name an environment variable with a secret."""


def way_of(settings: AccountSettings, secret: str) -> tuple[SecretWay, object] | None:
    """Return the way in which the user keeps a secret outside the rc file, and its argument."""
    chosen = vars(settings)
    for way in WAYS:
        value = chosen.get(secret + way.suffix)
        if value is not None:
            return way, value
    return None


def needs_password(settings: AccountSettings) -> bool:
    """Whether an account needs a password, and the rc file neither has it nor says where it is."""
    if settings.password is not None or not settings.kind.needs_password:
        return False
    return settings.auth not in NO_PASSWORD and way_of(settings, "password") is None
