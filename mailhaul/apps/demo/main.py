"""Starts a small IMAP and a small SMTP server, writes an rc file, and runs mailhaul on it.

Both servers are mailhaul's own server roles, each connection served by the same kind of flow
that a poll is, on the same blocking runtime, in a thread of its own.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...flows.channel import Channel
from ...flows.requests import Request
from ...flows.serve.imap import serve_imap
from ...flows.serve.mailboxes import Mailboxes
from ...flows.serve.smtp import serve_smtp
from ...protocols.imap.server import ImapServer
from ...protocols.smtp.server import SmtpServer
from ...runtimes import blocking
from ...runtimes.engine import Engine
from ..cli.main import main as mailhaul
from .messages import INBOX, TICKETS

Serve = Callable[[], tuple[Channel[Any], Coroutine[Request[Any], Any, Any]]]
PASSWORD = "some-pass-word"  # noqa: S105 - of a mailbox that lives as long as this program


def listen(cleanup: ExitStack, serve: Serve) -> int:
    """Serve every connection to a new loopback port until ``cleanup`` closes it."""
    listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            channel, flow = serve()
            engine = Engine(time.monotonic)
            engine.adopt(channel, connection)
            blocking.run(flow, engine)

    threading.Thread(target=accept, daemon=True).start()
    return int(listener.getsockname()[1])
