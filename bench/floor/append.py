"""The floor of moving mail to another IMAP server: PORT TARGET_PORT PASSWORD USER TARGET_USER.

Every message is appended as soon as it comes, and nothing waits for a reply (LITERAL+, RFC 7888).
"""

from __future__ import annotations

import threading

from .sources import Imap


def main(words: list[str]) -> None:
    """Move all messages."""
    port, target_port, password, user, target_user = words
    source = Imap(int(port), user, password)
    target = Imap(int(target_port), target_user, password)
    appended: list[int] = []
    reader = threading.Thread(target=lambda: appended.append(target.count_appended()))
    reader.start()
    count = 0
    for text in source.texts():
        target.append(text)
        count += 1
    target.end_appending()
    reader.join()
    if appended != [count]:
        raise ConnectionError("not all were appended")
    source.delete()
