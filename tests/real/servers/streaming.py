"""Our own server roles on loopback ports, for texts too large to be held.

A server of ours.py waits for its client after each piece; these write and read as mailhaul does.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

from mailhaul.flows.channel import Channel, Endpoint
from mailhaul.flows.requests import Request
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine

Serve = Callable[[Channel[Any]], Coroutine[Request[Any], Any, None]]
"""Makes the flow that serves one connection."""


@contextmanager
def streaming(make: Callable[[], Endpoint], serve: Serve) -> Generator[int, None, None]:
    """Serve every connection to a free loopback port, in a thread each; yield the port."""

    def session(connection: socket.socket) -> None:
        channel = Channel("client", make())
        engine = Engine(time.monotonic)
        engine.adopt(channel, connection)
        blocking.run(serve(channel), engine)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=session, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            # Closing alone does not wake up a thread that waits in accept.
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(5)
