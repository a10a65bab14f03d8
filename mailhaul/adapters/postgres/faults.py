"""What is said of a store that cannot be used: what is wrong, and what to do about it."""

from __future__ import annotations

import psycopg

from .urls import is_ambiguous, password_in

CONNECTING = (
    (
        "password authentication failed",
        "correct the password in ~/.pgpass, PGPASSFILE or the URL",
    ),
    ("no password supplied", "the server wants a password: put it into ~/.pgpass or PGPASSFILE"),
    ("no pg_hba.conf entry", "allow this user, database and host in pg_hba.conf of the server"),
    ("Connection refused", "no server listens there: start it, or correct the URL"),
    ("No such file or directory", "no server has this socket: start it, or correct the URL"),
    ("could not translate host name", "correct the name of the host in the URL"),
    ("failed to resolve host", "correct the name of the host in the URL"),
    ("timeout expired", "the server does not answer: check the network, or correct the URL"),
    ("closed the connection", "it was stopped, or cut off; its log says why"),
    ("starting up", "it is starting; try again"),
    ("shutting down", "it is shutting down; start it again"),
    ("too many clients", "raise max_connections of the server"),
    ("too many connections", "raise the limit of connections for this user or database"),
    ("certificate", "check sslmode, sslrootcert and the certificate of the server"),
    ("definition of service", "name a service of ~/.pg_service.conf or PGSERVICEFILE"),
)
"""Parts of the messages of libpq and of the server, and the next step. Messages of the server may
be in another language: then there is only what it says.
"""
STATES = {
    "42501": "the user of the URL needs more rights: GRANT CREATE ON DATABASE once, for the schema "
    '"mailhaul"; then its tables',
    "53100": "the disk of the server is full; make room and run again",
    "53200": "the server has no memory left",
    "25006": "this server only reads: it is a standby; name the primary server, or all of them "
    "with target_session_attrs=read-write",
    "40P01": "two transactions waited for each other; the next poll goes on",
    "55P03": "another transaction holds what is needed; the next poll goes on",
}
"""The next step for a state of SQL (PostgreSQL's documentation, appendix A)."""


def problem_text(error: psycopg.Error, url: str) -> str:
    """Describe an error for the user, without secrets, and say what to do."""
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        # What libpq says of a URL that it cannot read repeats the URL.
        return "this is no URL of PostgreSQL: postgresql://USER@HOST/DATABASE?PARAMETER=VALUE"
    if is_ambiguous(url) and error.sqlstate is None:
        # What libpq says would repeat a part of the password.
        return (
            'the URL cannot be understood: in a password write "%40" for "@", "%2F" for "/" and'
            ' "%3A" for ":"; a port is a number'
        )
    problem = words_of(error, url)
    if error.sqlstate in STATES:
        return f"{problem}; {STATES[error.sqlstate]}"
    if error.sqlstate is None:
        if 'database "' in problem and "does not exist" in problem:
            return f"{problem}; create it with createdb, or correct the URL"
        if 'role "' in problem and "does not exist" in problem:
            return f"{problem}; create it with createuser, or correct the URL"
        for part, step in CONNECTING:
            if part in problem:
                return f"{problem}; {step}"
    return problem


def words_of(error: psycopg.Error, url: str) -> str:
    """Return the message of an error as one line. The password of the URL never stands in it."""
    lines = [line.strip() for line in str(error.diag.message_primary or error).splitlines()]
    text = next((line for line in lines if line), type(error).__name__)
    for prefix in ("connection failed: ", "connection is bad: ", "consuming input failed: "):
        text = text.removeprefix(prefix)
    if text.startswith("Multiple connection attempts failed"):
        text = "; ".join(line.removeprefix("- ") for line in lines[1:] if line.startswith("- "))
    secret = password_in(url)
    return text.replace(secret, "*") if secret else text
