"""The lines that docs/core.md shows work as they stand there."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailhaul.flows.channel import Channel
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.runtimes import blocking
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

PAGE = Path(__file__).parents[2] / "docs" / "core.md"
INBOX = [
    b"Subject: first\r\nFrom: a@example.org\r\n\r\none\r\n",
    b"Subject: second\r\n\r\ntwo\r\n",
]


def example() -> str:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def test_the_example_prints_the_subjects_of_a_real_session(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {}
    exec(example(), names)  # the page's own lines
    print_subjects: Callable[[socket.socket, bytes, bytes], None] = names["print_subjects"]
    client, server = socket.socketpair()
    channel = Channel("client", ImapServer())
    engine = Engine(time.monotonic)
    engine.adopt(channel, server)
    flow = serve_imap(channel, Mailboxes({b"INBOX": Mailbox(INBOX)}), {b"joe": b"sesame"})
    serving = threading.Thread(target=blocking.run, args=(flow, engine))
    serving.start()
    with client:
        print_subjects(client, b"joe", b"sesame")
    serving.join(10)
    assert capsys.readouterr().out == "Subject: first\nSubject: second\n"


def test_the_example_is_short() -> None:
    body = example().partition("def ")[2]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20
