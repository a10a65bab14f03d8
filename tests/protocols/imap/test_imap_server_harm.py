"""An event that an IMAP server must not send changes nothing: the command still waits."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.commands import Login
from mailhaul.protocols.imap.events import Completed, Condition, Greeted, SaidBye
from mailhaul.protocols.imap.server import ImapServer


def test_a_login_that_cannot_be_granted_any_more_can_be_refused() -> None:
    server = ImapServer()
    server.send(Greeted(False))
    server.receive_data(b"a LOGIN joe sesame\r\n")
    command = server.next_event()
    assert isinstance(command, Login)
    server.send(SaidBye(text=b"too late"))
    server.data_to_send()
    with pytest.raises(LocalProtocolError, match="login_granted is not allowed"):
        server.send(Completed(command, Condition.OK))
    assert server.data_to_send() == []
    assert server.outstanding == (command,)
    server.send(Completed(command, Condition.NO, text=b"sorry"))
    assert server.data_to_send() == [b"a NO sorry\r\n"]
