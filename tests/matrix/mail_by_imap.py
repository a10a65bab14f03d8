"""For --mail command: ``mail_by_imap.py PORT PASSWORD-FILE fill USER FOLDER`` or ``read USER``.

It is a way to the mail of a server whose store is in a form of its own.
"""

from __future__ import annotations

import imaplib
import sys
from pathlib import Path


def main(port: str, password_file: str, action: str, user: str, *folder: str) -> None:
    """Replace the messages of the inbox, or print them as a mailbox file."""
    password = Path(password_file).read_text().strip()
    with imaplib.IMAP4("localhost", int(port)) as session:
        session.login(user, password)
        session.select("INBOX")
        if action == "fill":
            session.store("1:*", "+FLAGS.SILENT", r"(\Deleted)")
            session.expunge()
            for path in sorted(Path(folder[0]).iterdir()):
                kind, data = session.append("INBOX", "", "", path.read_bytes())
                if kind != "OK":
                    sys.exit(f"APPEND: {data!r}")
            return
        _, found = session.fetch("1:*", "(BODY.PEEK[])")
        for part in found:
            if isinstance(part, tuple):
                print_message(part[1])


def print_message(text: bytes) -> None:
    """Print a message in the mboxrd form."""
    out = sys.stdout.buffer
    out.write(b"From nobody Mon Jan  5 10:00:00 2026\n")
    for line in text.replace(b"\r\n", b"\n").splitlines(keepends=True):
        out.write(b">" * line.lstrip(b">").startswith(b"From ") + line)
    out.write(b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
