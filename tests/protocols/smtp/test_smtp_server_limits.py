"""A command line may be as long as the limit, however it is cut."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.smtp.commands import Ehlo
from mailhaul.protocols.smtp.events import Reply
from mailhaul.protocols.smtp.server import SmtpServer

LIMIT = 20
LONGEST = b"EHLO " + b"x" * (LIMIT - 5)


def greeted() -> SmtpServer:
    server = SmtpServer(limits=Limits(command_line=LIMIT))
    server.send(Reply(220))
    return server


@pytest.mark.parametrize("cut", [0, 1, LIMIT, LIMIT + 1, LIMIT + 2])
def test_the_longest_line_is_taken_in_any_cut(cut: int) -> None:
    server = greeted()
    line = LONGEST + b"\r\n"
    server.receive_data(line[:cut])
    if cut < len(line):
        assert server.next_event() is NEED_DATA
        server.receive_data(line[cut:])
    assert server.next_event() == Ehlo(b"x" * (LIMIT - 5))


@pytest.mark.parametrize("data", [LONGEST + b"x", LONGEST + b"x\r", LONGEST + b"x\r\n"])
def test_one_octet_more_is_refused_as_soon_as_it_is_there(data: bytes) -> None:
    server = greeted()
    server.receive_data(data)
    with pytest.raises(LimitExceeded, match="command line"):
        server.next_event()
