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
    credentials, at, place, parameters = _parts_of(rest)
    user = credentials.partition(":")[0]
    hosts, slash, database = place.partition("/")
    if "?" in user or (not at and "@" in parameters and ":" in hosts):
        # Something is not escaped, so nobody knows where the password ends.
        return f"{scheme}://"
    shown = ",".join(map(_without_odd_port, hosts.split(",")))
    return f"{scheme}://{user}{at}{shown}{slash}{database}"


def password_in(url: str) -> str:
    """Return the password that a URL contains, as it is written there, or ""."""
    credentials, _, _, parameters = _parts_of(url.partition("://")[2])
    for parameter in parameters.split("&"):
        name, _, value = parameter.partition("=")
        if name == "password":
            return value
    return credentials.partition(":")[2]


def is_ambiguous(url: str) -> bool:
    """Whether libpq takes a part of the password for a host, a port or a database."""
    credentials, at, place, parameters = _parts_of(url.partition("://")[2])
    if any(sign in credentials for sign in "@/"):
        return True
    hosts = place.partition("/")[0]
    return hosts != ",".join(map(_without_odd_port, hosts.split(","))) or (
        not at and "@" in parameters and ":" in hosts
    )


def _parts_of(rest: str) -> tuple[str, str, str, str]:
    """Return the credentials, "@" if there are any, hosts with the database, and parameters."""
    # libpq takes all up to the first "@" for credentials, also a "?", unless a "/" comes before.
    at = rest.find("@")
    begin = at if "/" not in rest[: max(at, 0)] else 0
    query = rest.find("?", max(begin, 0))
    place, parameters = (rest, "") if query < 0 else (rest[:query], rest[query + 1 :])
    # A password may contain an unescaped "@" or "/", by mistake.
    return (*place.rpartition("@"), parameters)


def _without_odd_port(host: str) -> str:
    """Return a host and its port. Without digits it may be a password: the "@" was forgotten."""
    name, colon, port = host.rpartition(":")
    return name if colon and not port.isdecimal() and not host.endswith("]") else host
