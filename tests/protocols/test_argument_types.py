"""Whoever gives a command an argument of the wrong type is told which type was expected."""

from __future__ import annotations

from typing import Any

import pytest

from mailhaul.protocols.argument_types import explain_wrong_arguments
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import Id, Login, Select, UidSearch
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import Apop, Retrieve
from mailhaul.protocols.secret import Secret
from mailhaul.protocols.smtp.client import SmtpClient
from mailhaul.protocols.smtp.commands import Ehlo

GREETINGS: dict[Any, bytes] = {
    ImapClient: b"* OK ready\r\n",
    Pop3Client: b"+OK ready <1@x>\r\n",
    SmtpClient: b"220 ready\r\n",
}


@pytest.mark.parametrize(
    ("kind", "command", "expected"),
    [
        (ImapClient, lambda w: Login(b"u", w), "Login.password takes Secret, not bytes"),
        (ImapClient, lambda w: Login(w.decode(), Secret(w)), "Login.user takes bytes, not str"),
        (ImapClient, lambda w: Id((w,)), r"Id.fields takes tuple\[.*\] or None, not tuple"),
        (Pop3Client, Retrieve, "Retrieve.number takes int, not bytes"),
        (Pop3Client, lambda w: Apop(w, w), "Apop.password takes Secret, not bytes"),
        (SmtpClient, lambda w: Ehlo(w.decode()), "Ehlo.name takes bytes, not str"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_sent(
    kind: Any, command: Any, expected: str
) -> None:
    client = kind()
    client.receive_data(GREETINGS[kind])
    client.next_event()
    before = client.state
    with pytest.raises(TypeError, match=expected):
        client.send(command(b"word"))
    assert (client.state, client.outstanding, client.data_to_send()) == (before, (), [])


@pytest.mark.parametrize(
    "command",
    [
        Select(b"INBOX"),
        UidSearch(b"ALL", (b"COUNT",)),
        Id(((b"name", b"x"), (b"os", None))),
        Id(None),
        object(),
    ],
)
def test_what_has_the_right_types_is_not_blamed(command: Any) -> None:
    explain_wrong_arguments(command, ValueError())
