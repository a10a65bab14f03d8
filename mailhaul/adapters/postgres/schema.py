"""The tables of the store in PostgreSQL, and the upgrade of those of older versions.

All are in the schema ``mailhaul`` of one database, so other programs may use the same database. An
upgrade is one transaction: a kill at any step leaves everything as it was, and if several machines
start at once, one does the work while the others wait.

Those of the ledger have the columns of ``adapters.ledger.schema``; what they mean is said there.
Two columns differ: a UID is stored as octets that sort as in SQLite (``uids``), and names are text
(``text``). Text is compared by octets, whatever the language of the database. There are no foreign
keys: the ledger deletes what belongs together, as in SQLite, where they are not checked either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import fleet_tables
from .database import StoreFault
from .session import Session

VERSION = 3
LOCK = 0x6D61696C6861756C
"""The number of the advisory lock that an upgrade holds: "mailhaul" in ASCII."""
TEXT = 'text COLLATE "C" NOT NULL'

LEDGER = (
    f"""
    CREATE TABLE mailbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account {TEXT}, name {TEXT}, uidvalidity bigint NOT NULL,
        compared bigint NOT NULL DEFAULT 0,
        UNIQUE (account, name, uidvalidity)
    )
    """,
    f"""
    CREATE TABLE sink (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name {TEXT} UNIQUE,
        rest_until bigint NOT NULL DEFAULT 0, rest_reason {TEXT} DEFAULT ''
    )
    """,
    """
    CREATE TABLE seen (
        mailbox bigint NOT NULL, uid bytea NOT NULL, size bigint NOT NULL,
        fingerprint bytea NOT NULL DEFAULT '', accepted bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (mailbox, uid)
    )
    """,
    # Rows come and go with each message; without this the table would grow between vacuums.
    f"""
    CREATE TABLE message (
        mailbox bigint NOT NULL, sink bigint NOT NULL, uid bytea NOT NULL, size bigint NOT NULL,
        state {TEXT}
            CHECK (state IN ('offered', 'accepted', 'refused', 'postponed', 'quarantined')),
        action text COLLATE "C", recipients {TEXT} DEFAULT '', name {TEXT},
        tries bigint NOT NULL DEFAULT 0, since bigint NOT NULL DEFAULT 0,
        tried bigint NOT NULL DEFAULT 0, reason {TEXT} DEFAULT '',
        fingerprint bytea NOT NULL DEFAULT '', upload {TEXT} DEFAULT '',
        PRIMARY KEY (mailbox, uid, sink)
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)
    """,
    # Uploads are looked for by the name of the offer.
    "CREATE INDEX message_name ON message (name)",
    f"""
    CREATE TABLE result (
        entry {TEXT} PRIMARY KEY,
        time bigint NOT NULL, code bigint, words {TEXT} DEFAULT '',
        failures bigint NOT NULL DEFAULT 0, since bigint NOT NULL DEFAULT 0,
        success bigint NOT NULL DEFAULT 0,
        error_time bigint NOT NULL DEFAULT 0, error_code bigint, error_words {TEXT} DEFAULT '',
        polls bigint NOT NULL DEFAULT 0, codes {TEXT} DEFAULT '{{}}',
        seconds double precision NOT NULL DEFAULT 0,
        fetched bigint NOT NULL DEFAULT 0, delivered bigint NOT NULL DEFAULT 0,
        octets bigint NOT NULL DEFAULT 0, refused bigint NOT NULL DEFAULT 0,
        postponed bigint NOT NULL DEFAULT 0, spam bigint NOT NULL DEFAULT 0
    ) WITH (fillfactor = 70)
    """,
    f"""
    CREATE TABLE alert (
        topic {TEXT}, kind {TEXT}, entry {TEXT}, time bigint NOT NULL, code bigint,
        PRIMARY KEY (topic, kind)
    )
    """,
    f"""
    CREATE TABLE rest (
        account {TEXT} PRIMARY KEY, until bigint NOT NULL, reason {TEXT},
        daylimit bigint NOT NULL DEFAULT 0
    )
    """,
    f"""
    CREATE TABLE traffic (
        account {TEXT}, hour bigint NOT NULL, octets bigint NOT NULL,
        PRIMARY KEY (account, hour)
    )
    """,
    f"""
    CREATE TABLE retention (
        mailbox bigint PRIMARY KEY, period bigint NOT NULL, announced bigint NOT NULL,
        checked bigint NOT NULL, confirmed bigint NOT NULL DEFAULT 0, held {TEXT} DEFAULT ''
    )
    """,
    """
    CREATE TABLE left_out (
        mailbox bigint NOT NULL, uid bytea NOT NULL, size bigint NOT NULL, rules bytea NOT NULL,
        PRIMARY KEY (mailbox, uid)
    )
    """,
    f"""
    CREATE TABLE content (
        account {TEXT}, sink bigint NOT NULL, id bytea NOT NULL, size bigint NOT NULL,
        mailbox bigint NOT NULL, accepted bigint NOT NULL,
        PRIMARY KEY (account, sink, id)
    )
    """,
)
"""What ``adapters.ledger`` uses."""

FLEET = (
    # Processes that use the store. One that has not renewed until ``expires`` holds nothing more.
    f"""
    CREATE TABLE worker (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name {TEXT},
        started timestamptz NOT NULL DEFAULT now(), expires timestamptz NOT NULL,
        notes jsonb NOT NULL DEFAULT '{{}}'
    )
    """,
    # The entries of all rc files, and accounts that are only here (``text`` is their entry). Each
    # claim counts up ``epoch``; what an owner writes is written only in its own epoch.
    f"""
    CREATE TABLE account (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name {TEXT} UNIQUE,
        origin {TEXT} DEFAULT 'rc' CHECK (origin IN ('rc', 'store')),
        text text COLLATE "C",
        host {TEXT} DEFAULT '', remote {TEXT} DEFAULT '',
        paused boolean NOT NULL DEFAULT false, problem {TEXT} DEFAULT '',
        due timestamptz NOT NULL DEFAULT now(),
        owner bigint, epoch bigint NOT NULL DEFAULT 0,
        failures bigint NOT NULL DEFAULT 0, refusals bigint NOT NULL DEFAULT 0,
        last_poll timestamptz, last_code bigint
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX account_due ON account (due) WHERE owner IS NULL AND NOT paused",
    "CREATE INDEX account_owner ON account (owner) WHERE owner IS NOT NULL",
    f"CREATE TABLE lock (name {TEXT} PRIMARY KEY, worker bigint NOT NULL)",
    f"""
    CREATE TABLE token (
        label {TEXT} PRIMARY KEY, data bytea NOT NULL, version bigint NOT NULL DEFAULT 1
    )
    """,
    # A share of the row until the end of the transaction: a worker that claims the account waits
    # for it, and one that comes after the claim does not find the row.
    """
    CREATE FUNCTION fence(entry text, held bigint) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM 1 FROM mailhaul.account WHERE name = entry AND epoch = held FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another worker has taken over' USING ERRCODE = 'MH001';
        END IF;
    END $$
    """,
)
"""What several machines share."""

LOCKS = (
    # The claim of the poll that holds it, "" for none.
    f"ALTER TABLE lock ADD entry {TEXT} DEFAULT '', ADD epoch bigint NOT NULL DEFAULT 0",
)
STEPS: Mapping[int, Sequence[str]] = {
    0: (*LEDGER, *FLEET),
    1: fleet_tables.STATEMENTS,
    2: LOCKS,
}
"""The statements that upgrade the tables of a version to the next one."""


def prepare(session: Session, url: str) -> None:
    """Create the tables, or upgrade older ones. Raises StoreFault for newer ones."""
    if (found := version_of(session)) != VERSION:
        upgrade(session, url, found)


def version_of(session: Session) -> int:
    """Return the version of the tables, 0 if there are none."""
    found = session.execute("SELECT to_regclass('mailhaul.version') IS NOT NULL").fetchone()
    if not (found and found[0]):
        return 0
    row = session.execute("SELECT number FROM version").fetchone()
    return int(row[0]) if row else 0


def upgrade(session: Session, url: str, found: int) -> None:
    """Bring the tables to this version."""
    check_version(found, url)
    session.begin()
    session.execute("SELECT pg_advisory_xact_lock(?)", (LOCK,))
    session.execute("SELECT set_config('lock_timeout', '0', true)")
    # Another machine may have done it while this one waited.
    found = version_of(session)
    check_version(found, url)
    if found == VERSION:
        return
    if not found:
        encoding = session.execute("SELECT current_setting('server_encoding')").fetchone()
        if not (encoding and encoding[0] == "UTF8"):
            problem = "the database is not in UTF-8; create one with createdb -E UTF8 -T template0"
            raise StoreFault(url, problem)
        there = session.execute("SELECT to_regnamespace('mailhaul') IS NOT NULL").fetchone()
        # A user who may only use the schema may not make it, even if it is there.
        if not (there and there[0]):
            session.execute("CREATE SCHEMA mailhaul")
        session.execute("CREATE TABLE version (number bigint NOT NULL)")
        session.execute("INSERT INTO version VALUES (0)")
    for number in range(found, VERSION):
        for statement in STEPS[number]:
            session.execute(statement)
    session.execute("UPDATE version SET number = ?", (VERSION,))
    # A crash of the server must not take the tables, and keep the rows that were written then.
    session.execute("SELECT set_config('synchronous_commit', 'on', true)")


def check_version(found: int, url: str) -> None:
    """Raise StoreFault for the tables of a newer version."""
    if found > VERSION:
        raise StoreFault(
            url,
            f"its tables are those of a newer mailhaul (version {found}, this one knows "
            f"{VERSION}); update this one",
        )
