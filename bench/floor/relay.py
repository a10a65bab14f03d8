"""The floor of moving mail: PROTOCOL PORT PASSWORD AUTHORITY SINK TARGET USER...

SINK is smtp with a port, maildir with a folder, or mda with a command; AUTHORITY may be empty.
Nothing is remembered or retried: what remains is the network, the disk and the interpreter.
Several users are served side by side, each in a thread.
"""

from __future__ import annotations

import threading

from .sinks import Maildir, Mda, Smtp
from .sources import SOURCES


def relay(protocol: str, port: str, password: str, authority: str, *more: str) -> None:
    """Move all messages of one user."""
    kind, target, user = more
    source = SOURCES[protocol](int(port), user, password, authority)
    sink: Smtp | Maildir | Mda
    if kind == "smtp":
        sink = Smtp(int(target))
    elif kind == "maildir":
        sink = Maildir(target)
    else:
        sink = Mda(target.split())
    for text in source.texts():
        sink.put(text)
    sink.flush()
    source.delete()


def main(words: list[str]) -> None:
    """Move all messages of all users."""
    if len(words) == 7:
        relay(*words)
        return
    threads = [threading.Thread(target=relay, args=(*words[:6], user)) for user in words[6:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
