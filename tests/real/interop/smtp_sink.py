"""Our own SMTP server on a loopback port, for a real server to hand its mail on to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

from mailhaul.flows.channel import Channel
from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.smtp import MemorySink, serve_smtp


@contextmanager
def listening(sink: MemorySink) -> Generator[int, None, None]:
    """Serve every connection to a free port until the block ends; yield the port."""

    def serve(connection: socket.socket) -> None:
        channel = Channel("client", SmtpServer())
        engine = Engine(time.monotonic)
        engine.adopt(channel, connection)
        blocking.run(serve_smtp(channel, sink), engine)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        # Closing a listener wakes nobody who waits for it; shutting it down does.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
