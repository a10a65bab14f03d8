"""A store that cannot be used ends in one line, with the next step and without the password."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mailhaul.adapters.postgres.database import Database, StoreFault
from mailhaul.adapters.postgres.schema import VERSION, prepare
from mailhaul.adapters.postgres.urls import password_in, shown_url
from mailhaul.flows.outcome import ExitCode
from tests.real.servers.postgres import LOCKED, PASSWORD, Postgres

pytestmark = pytest.mark.real


def fault_of(url: str) -> StoreFault:
    """Return what using a store fails with."""
    database = Database(url, prepare)
    with pytest.raises(StoreFault) as caught:
        database.write(lambda db: db.execute("SELECT 1").fetchone())
    database.close()
    assert caught.value.code is ExitCode.IOERR
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def test_a_server_that_does_not_run_is_named(tmp_path: Path) -> None:
    found = fault_of(f"postgresql://joe@/mail?host={tmp_path}")
    assert str(found).startswith("store postgresql://joe@/mail: connection to server on socket")
    assert str(found).endswith("no server has this socket: start it, or correct the URL")
    assert found.lost


def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        found = fault_of(f"postgresql://joe:hidden@127.0.0.1:{port}/mail")
    assert str(found).endswith("no server listens there: start it, or correct the URL")
    assert "hidden" not in f"{found}{found!r}"


@pytest.mark.parametrize(
    ("user", "words"),
    [
        (f"{LOCKED}:wrong-horse", "correct the password in ~/.pgpass, PGPASSFILE or the URL"),
        (LOCKED, "the server wants a password: put it into ~/.pgpass or PGPASSFILE"),
        ("nobody-here", "create it with createuser, or correct the URL"),
    ],
)
def test_a_wrong_user_or_password_is_told(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, words: str
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    found = fault_of(postgres.url_of("mailhaul", user))
    assert str(found).endswith(words)
    assert "wrong-horse" not in f"{found}{found!r}"


def test_a_missing_database_is_told(postgres: Postgres) -> None:
    assert str(fault_of(postgres.url_of("nothing"))).endswith(
        "create it with createdb, or correct the URL"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://joe:hidden@host/mail?nonsense=1",
        "postgresql://joe:hidden@[::1/mail",
        "postgresql://joe:hidden%zz@host/mail",
    ],
)
def test_a_url_that_is_none_is_not_repeated(url: str) -> None:
    found = fault_of(url)
    assert "this is no URL of PostgreSQL" in str(found)
    assert "hidden" not in f"{found}{found!r}"


def test_tables_of_a_newer_version_are_left_alone(postgres: Postgres) -> None:
    url = postgres.new_database()
    database = Database(url, prepare)
    database.write(lambda db: db.execute("UPDATE version SET number = number + 1"))
    database.close()
    found = str(fault_of(url))
    assert f"newer mailhaul (version {VERSION + 1}, this one knows {VERSION})" in found


def test_a_user_without_rights_is_told_what_to_grant(postgres: Postgres) -> None:
    name = postgres.new_database().partition("@/")[2].partition("?")[0]
    url = postgres.url_of(name, f"{LOCKED}:{PASSWORD}")
    assert "GRANT CREATE ON DATABASE" in str(fault_of(url))


def test_a_database_that_is_not_utf_8_is_refused(postgres: Postgres) -> None:
    postgres.sql(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", "postgres"
    )
    assert "createdb -E UTF8" in str(fault_of(postgres.url_of("latin")))


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    return tmp_path


def test_the_ways_of_libpq_work(
    postgres: Postgres, own_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password file, a service, and the environment."""
    folder = postgres.url.partition("host=")[2].partition("&")[0]
    postgres.empty()
    postgres.sql(f"GRANT USAGE ON SCHEMA mailhaul TO {LOCKED}")
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA mailhaul TO {LOCKED}")
    passwords = own_files / "pgpass"
    passwords.write_text(f"*:*:*:{LOCKED}:{PASSWORD}\n")
    passwords.chmod(0o600)
    (own_files / "services").write_text(f"[mail]\nhost={folder}\ndbname=mailhaul\nuser={LOCKED}\n")
    for url in (postgres.url_of("mailhaul", LOCKED), "postgresql:///?service=mail"):
        database = Database(url, prepare)
        found = database.write(
            lambda db: db.execute("SELECT current_user, current_database()").fetchone()
        )
        assert found == (LOCKED, "mailhaul")
        database.close()
    passwords.unlink()
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    database = Database("postgresql:///?service=mail", prepare)
    database.write(lambda db: db.execute("SELECT 1").fetchone())
    database.close()
    assert "PGPASSWORD" in os.environ


def test_a_url_is_shown_without_its_password() -> None:
    for url, shown, password in (
        ("postgresql://joe:secret@h1:1,h2/mail", "postgresql://joe@h1:1,h2/mail", "secret"),
        ("postgres://joe@/mail?password=secret&host=/x", "postgres://joe@/mail", "secret"),
        ("postgresql://joe:a/b@c@host/mail", "postgresql://joe@host/mail", "a/b@c"),
        ("postgresql:///mail", "postgresql:///mail", ""),
        # For libpq a question mark may be in the password.
        ("postgresql://joe:se?cret@host/mail", "postgresql://joe@host/mail", "se?cret"),
        ("postgresql://joe@/mail?password=a@b", "postgresql://joe@/mail", "a@b"),
        ("postgresql://joe:secret/mail", "postgresql://joe/mail", ""),
        ("postgresql://joe:a/b?c@host/mail", "postgresql://", ""),
        ("postgresql://h?password=a@secret", "postgresql://", ""),
        ("postgresql://joe:secret@[::1]:5432/x", "postgresql://joe@[::1]:5432/x", "secret"),
    ):
        assert shown_url(url) == shown
        assert password_in(url) == password


@pytest.mark.parametrize(
    "credentials",
    ["joe:p@hidden@", "joe:p/hidden@", "joe:hidden/x@", "joe:p?x@hidden@", "joe:hidden"],
)
def test_no_part_of_a_password_that_is_not_escaped_is_shown(credentials: str) -> None:
    """libpq takes the rest of it for a host or a port, and names that."""
    url = f"postgresql://{credentials}/mail"
    database = Database(url, prepare)
    with pytest.raises(StoreFault) as caught:
        database.write(lambda db: db.execute("SELECT 1"))
    assert "hidden" not in str(caught.value)
    assert "%40" in str(caught.value)
