"""Tokens in the keyring of the system (``set oauthstore keyring``), with the package keyring.

The file of the owner stays, with everything but the tokens, and names the entry of the keyring that
has them. Each new token gets an entry of its own, whose name is in the new file before the issuer
is asked. So a kill at any moment leaves either the old entry or the new one, and a thread that
hangs in the keyring and comes back later cannot overwrite what is newer. If the keyring takes no
token when there is one, it is written to the file: the consent is worth more.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from ...flows.outcome import PollFailed
from ...protocols.record import replace
from ...protocols.secret import Secret
from ..config.secret_keyring import Keyring, KeyringFailed, in_keyring
from ..files import SMALL, read_file
from .accounts import TokenOwner
from .saved import ITEM, SavedToken, document, json_of, read_document
from .store import TokenStore

SERVICE = "mailhaul"
"""The name of the service in the keyring."""
PENDING = "pending"
"""The field of a new file that names the entry which is about to be made."""
FORMER = "former"
"""The field that names the entries before it: a kill may have kept us from removing them."""
READ_SECONDS = 60.0
"""Seconds in which the user can unlock the keyring."""
WRITE_SECONDS = 20.0
"""Seconds that the keyring has to take a token. It was unlocked a short time ago."""
REMOVE_SECONDS = 1.0
IN_KEYRING = Secret(b"")
"""Stands for a token that is in the keyring."""


class Deadline:
    """Waits for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Return False until the time is over. Raises TimeoutError then."""
        if time.monotonic() >= self._end:
            raise TimeoutError
        return False


class KeyringStore(TokenStore):
    """The file of one owner, whose tokens are in the keyring. ``warn`` takes a sentence."""

    def __init__(self, folder: str, owner: TokenOwner, warn: Callable[[str], None]) -> None:
        super().__init__(folder, owner)
        self._warn = warn
        self._asks = True
        self._item = ""
        self._old_items: set[str] = set()

    def peek(self) -> SavedToken:
        """Return what is saved, without asking the keyring."""
        self._asks = False
        try:
            return self.load()
        finally:
            self._asks = True

    def remove(self) -> None:
        """Remove the file and the entries of the keyring. Hold the lock."""
        with suppress(PollFailed):
            # It names them.
            self.load()
        super().remove()
        self._item = ""
        self._replaced()

    def _decoded(self, data: bytes) -> tuple[TokenOwner, SavedToken] | None:
        found = json_of(data)
        item, pending = found.get(ITEM), found.get(PENDING)
        if isinstance(pending, str):
            return self._kept(pending) if self._asks else None
        there = read_document(data)
        if not isinstance(item, str) or not self._asks or there is None:
            return there
        kept = self._kept(item)
        if kept is None:
            now = self._content()
            if now is not None and json_of(now).get(ITEM) != item:
                # Another program has renewed the token in the meantime.
                return self._decoded(now)
            raise self._failure(
                'its tokens are not in the keyring; remove the file and use "mailhaul login"'
            )
        # Everything else is as new as the file.
        return there[0], replace(there[1], access=kept[1].access, refresh=kept[1].refresh)

    def _kept(self, item: str) -> tuple[TokenOwner, SavedToken] | None:
        """Return what an entry of the keyring contains; None if there is none."""
        self._old_items.add(item)
        try:
            text = in_keyring(
                lambda keyring: keyring.get_password(SERVICE, item), Deadline(READ_SECONDS)
            )
        except KeyringFailed as failure:
            raise self._failure(f"{failure}; {failure.hint}") from None
        return read_document(text.encode("ascii", "replace")) if text else None

    def _announced(self) -> bytes:
        self._item = self._new_item()
        return json.dumps({PENDING: self._item}).encode("ascii") + b"\n"

    def _new_item(self) -> str:
        return f"{self._owner.file_name} {os.urandom(8).hex()}"

    def _encoded(self, token: SavedToken) -> bytes:
        item = self._item = self._item or self._new_item()
        self._note_old_items()
        whole = document(self._owner, token)
        text = whole.decode("ascii")

        def put(keyring: Keyring) -> bool:
            keyring.set_password(SERVICE, item, text)
            # One backend of the package takes everything and keeps nothing.
            return keyring.get_password(SERVICE, item) == text

        try:
            kept = in_keyring(put, Deadline(WRITE_SECONDS))
            problem = "it does not keep what it is given"
        except KeyringFailed as failure:
            kept, problem = False, f"{failure}; {failure.hint}"
        if not kept:
            self._warn(f"{self.path}: this file has the token, since the keyring fails: {problem}")
            self._old_items.add(item)
            self._item = ""
            return whole
        self._old_items.discard(item)
        blank = {
            name: IN_KEYRING for name in ("access", "refresh") if getattr(token, name) is not None
        }
        return document(
            self._owner, replace(token, **blank), **{ITEM: item, FORMER: sorted(self._old_items)}
        )

    def _content(self) -> bytes | None:
        """Return what is in the file now; None if it cannot be read."""
        try:
            return read_file(self.path, SMALL)
        except OSError:
            return None

    def _note_old_items(self) -> None:
        """Note which entries are no longer needed once the file has been replaced."""
        there = json_of(self._content() or b"")
        for item in (there.get(ITEM), *(there.get(FORMER) or ())):
            if isinstance(item, str):
                self._old_items.add(item)

    def _replaced(self) -> None:
        """Remove the entries that are no longer used, if that is possible."""
        old, self._old_items = self._old_items - {self._item}, set()
        self._item = ""
        for item in old:
            try:
                in_keyring(partial(delete, item), Deadline(REMOVE_SECONDS))
            except KeyringFailed:
                # It has ended anyway, with the next use of its refresh token at the latest.
                return


def delete(item: str, keyring: Keyring) -> None:
    """Remove an entry that may not be there."""
    if keyring.get_password(SERVICE, item) is not None:
        keyring.delete_password(SERVICE, item)
