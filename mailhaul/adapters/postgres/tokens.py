"""Tokens of OAuth in the store, encrypted (``set oauthstore store``), for all machines.

Each machine has the key in a file of its own (``set storekeyfile``); the database never has it. The
package cryptography does it (Fernet: AES and HMAC). The owner of a token is inside of what is
encrypted, so rows that are exchanged are noticed. The lock of a token is one of the locks of the
store, so one machine at a time asks the issuer.

A token that the issuer has given and the store cannot take is kept in the file that would have it
without a store: the consent is worth more. It goes to the store with the next lock.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ...flows.outcome import ExitCode, PollFailed
from ..files import SMALL, read_file
from ..oauth.accounts import TokenOwner
from ..oauth.saved import NOTHING, SavedToken, document, read_document
from ..oauth.store import TokenStore
from .database import StoreFault

if TYPE_CHECKING:
    from ...flows.ledger import Lock
    from .session import Session
    from .store import PostgresLedger

OTHERS = stat.S_IRWXG | stat.S_IRWXO
READ = "SELECT data FROM token WHERE label = ?"
TAKE = "SELECT data FROM token WHERE label = ? FOR UPDATE"
PUT = """
INSERT INTO token (label, data) VALUES (?, ?)
    ON CONFLICT (label) DO UPDATE SET data = excluded.data, version = token.version + 1
"""
REMOVE = "DELETE FROM token WHERE label = ?"
ALL = "SELECT data FROM token ORDER BY label"
HINT = (
    "make one with: python3 -c 'from cryptography.fernet import Fernet as F;"
    " print(F.generate_key().decode())'"
)


class TokenKeys:
    """The keys in a file, one a line: the first encrypts, and each of them decrypts."""

    def __init__(self, path: str) -> None:
        self.path = path

    def seal(self, data: bytes) -> bytes:
        """Return data encrypted. Raises PollFailed (IOERR)."""
        return self._read().encrypt(data)

    def open(self, data: bytes) -> bytes | None:
        """Return data decrypted, None if no key fits. Raises PollFailed (IOERR)."""
        try:
            return self._read().decrypt(data)
        except InvalidToken:
            return None

    def _read(self) -> MultiFernet:
        # Read each time: keys are exchanged while a daemon runs.
        try:
            if os.stat(self.path).st_mode & OTHERS:
                raise self._failure(f'other users can read it; "chmod 600 {self.path}"')
            lines = read_file(self.path, SMALL).splitlines()
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        keys: list[Fernet] = []
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith(b"#"):
                continue
            try:
                keys.append(Fernet(line.strip()))
            except ValueError:
                raise self._failure(f"line {number} is not a key; {HINT}") from None
        if not keys:
            raise self._failure(f"it has no key; {HINT}")
        return MultiFernet(keys)

    def _failure(self, problem: str) -> PollFailed:
        return PollFailed(ExitCode.IOERR, f"storekeyfile {self.path}: {problem}")


class SharedTokenStore(TokenStore):
    """The token of one owner in the store. ``warn`` takes a sentence."""

    def __init__(
        self,
        folder: str,
        owner: TokenOwner,
        ledger: PostgresLedger,
        keys: TokenKeys,
        warn: Callable[[str], None],
    ) -> None:
        super().__init__(folder, owner)
        self._ledger = ledger
        self._keys = keys
        self._warn = warn
        self._shared_lock: Lock | None = None

    def _load(self) -> SavedToken:
        there = self._stored(self._ledger.database.write(self._row_of(READ)))
        here = self._in_file()
        return here if here.obtained > there.obtained else there

    def _in_file(self) -> SavedToken:
        """Return what is in the file because the store could not take it."""
        return super()._load() if os.path.isdir(self._folder) else NOTHING

    def _row_of(self, query: str) -> Callable[[Session], bytes | None]:
        def work(db: Session) -> bytes | None:
            row = db.execute(query, (self._owner.file_name,)).fetchone()
            return bytes(row[0]) if row else None

        return work

    def _stored(self, data: bytes | None) -> SavedToken:
        """Return what a row contains. Raises PollFailed."""
        if data is None:
            return NOTHING
        plain = self._keys.open(data)
        if plain is None:
            raise self._failure(f"none of the keys in {self._keys.path} fits")
        found = read_document(plain)
        if found is None:
            raise self._failure('it is damaged; use "mailhaul login"')
        if found[0] != self._owner:
            raise self._failure("what is in its row is that of another user")
        return found[1]

    def prepare(self) -> None:
        """Ask for the store and for the key, before the issuer is asked."""
        self._keys.seal(b"")
        self._ledger.database.write(lambda db: db.execute("SELECT 1").fetchone())

    def _save(self, token: SavedToken) -> None:
        data = self._keys.seal(document(self._owner, token))
        label = self._owner.file_name

        def work(db: Session) -> None:
            if self._stored(self._row_of(TAKE)(db)).obtained <= token.obtained:
                db.execute(PUT, (label, data))

        try:
            self._ledger.database.write(work)
            self._ledger.database.commit_durably()
        except StoreFault as fault:
            super().prepare()
            super()._save(token)
            self._warn(f"{fault}; the token is kept in {self.path}")
            return
        self._remove_file()

    def _remove_file(self) -> None:
        if os.path.isdir(self._folder):
            super().remove()

    def remove(self) -> None:
        """Remove the token, durably. Hold the lock."""
        values = (self._owner.file_name,)
        self._ledger.database.write(lambda db: db.execute(REMOVE, values), alone=True)
        self._ledger.database.commit_durably()
        self._remove_file()

    def try_lock(self) -> bool:
        """Take the lock if it is free; return whether it is ours. It ends with the lease."""
        if self._given_up:
            return False
        lock = self._ledger.lock("", "token", self._owner.file_name)
        try:
            if not lock.acquire():
                return False
        except PollFailed as failure:
            if failure.code is ExitCode.EXCLUDE:
                return False
            raise
        self._shared_lock = lock
        if (here := self._in_file()) != NOTHING:
            self._save(here)
        return True

    def _release(self) -> None:
        super()._release()
        lock, self._shared_lock = self._shared_lock, None
        if lock is not None:
            lock.release()

    def _failure(self, problem: str) -> PollFailed:
        return PollFailed(ExitCode.IOERR, f"token of {self._owner.user} in the store: {problem}")


def shared_tokens(
    ledger: PostgresLedger, keys: TokenKeys
) -> Iterator[tuple[TokenOwner, SavedToken]]:
    """Yield all owners and what is saved of them. Those that no key opens are left out."""
    rows: Sequence[tuple[bytes]] = ledger.database.write(lambda db: db.execute(ALL).fetchall())
    for (data,) in rows:
        plain = keys.open(bytes(data))
        with suppress(PollFailed):
            found = None if plain is None else read_document(plain)
            if found is not None:
                yield found
