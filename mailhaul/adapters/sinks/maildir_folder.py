"""A folder in a Maildir as a sink, as Maildir++ has them (``keep-tree``)."""

from __future__ import annotations

import os
from contextlib import suppress

from ..folders import make_private_folder
from .maildir import FOLDERS, MaildirSink, io_failure
from .tree import folder_in_maildir

MARKER = "maildirfolder"
"""The empty file that tells a folder from a Maildir of its own."""


class MaildirFolder(MaildirSink):
    """The folder of a Maildir for one mailbox, whose name has these levels."""

    def __init__(self, maildir: str, levels: tuple[bytes, ...], host: str) -> None:
        super().__init__(folder_in_maildir(maildir, levels), host)
        self._maildir = maildir

    def _prepare(self) -> None:
        try:
            # Without them mail readers do not take it for a Maildir.
            for name in FOLDERS:
                make_private_folder(os.path.join(self._maildir, name))
            if self.folder != self._maildir:
                make_private_folder(self.folder)
                self._mark()
        except OSError as error:
            raise io_failure(self.folder, error) from None
        super()._prepare()

    def _mark(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with suppress(FileExistsError):
            os.close(os.open(os.path.join(self.folder, MARKER), flags, 0o600))
