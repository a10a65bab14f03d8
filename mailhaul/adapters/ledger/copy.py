"""A copy of the ledger in memory, for a dry run: it reads as the ledger, and nothing is written."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from urllib.parse import quote

from .store import BUSY_MILLISECONDS, SqliteLedger


class LedgerCopy(SqliteLedger):
    """The ledger as it is when it is first used. What is recorded here is lost at the end.

    Neither the file nor its folder is created or changed.
    """

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            if os.path.exists(self.path):
                with closing(open_unchanged(self.path)) as source:
                    source.backup(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = self._prepared(connection)
        return self._connection


def open_unchanged(path: str) -> sqlite3.Connection:
    """Open an existing ledger for reading only, and leave no file beside it.

    Without a write-ahead log nobody has it open: SQLite would create one even for a reader. With
    one, its contents are needed as well, and the files are there already.
    """
    in_use = os.path.exists(f"{path}-wal")
    mode = "mode=ro" if in_use else "immutable=1"
    timeout = BUSY_MILLISECONDS / 1000
    return sqlite3.connect(f"file:{quote(path)}?{mode}", timeout=timeout, uri=True)
