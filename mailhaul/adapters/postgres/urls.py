"""The URL of a store, as the user writes it and as it is shown.

psycopg is not needed for this: ``-V`` and the dump of the settings show a URL as well.
"""

from __future__ import annotations

SCHEMES = ("postgresql://", "postgres://")
"""What a URL of libpq begins with (PostgreSQL's documentation, "Connection URIs")."""


def is_url(store: str) -> bool:
    """Whether the store is a database in PostgreSQL."""
    return store.lower().startswith(SCHEMES)


def shown_url(url: str) -> str:
    """Return a URL without its password and its parameters, which may contain secrets too."""
    scheme, _, rest = url.partition("://")
    place = rest.partition("?")[0]
    # A password may contain an unescaped "@" or "/", by mistake.
    credentials, at, host = place.rpartition("@")
    user = credentials.partition(":")[0]
    return f"{scheme}://{user}{at}{host}"


def password_in(url: str) -> str:
    """Return the password that a URL contains, as it is written there, or ""."""
    place, _, parameters = url.partition("://")[2].partition("?")
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        if name == "password":
            return value
    return place.rpartition("@")[0].partition(":")[2]
