"""The lines that docs/core.md shows work as they stand there."""

from __future__ import annotations

import doctest
import re
import secrets
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme

from mailhaul import imap, pop3, sasl, smtp
from mailhaul.servers.imap import ALL_CAPABILITIES, serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from tests.real.servers.certificates import Certificate
from tests.real.servers.ours import listening

PAGE = Path(__file__).parents[2] / "docs" / "core.md"
USERS = {b"joe": b"sesame"}
INBOX = [
    b"Subject: first\r\nFrom: a@example.org\r\n\r\none\r\n",
    b"Subject: second\r\n\r\ntwo\r\n",
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def page() -> Any:
    """The functions of the page, by their names."""
    names: dict[str, Any] = {"imap": imap}
    for block in blocks("python"):
        exec(block, names)  # the page's own lines
    return SimpleNamespace(**names)


@pytest.fixture(scope="module")
def issuer() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def port(issuer: trustme.CA, tmp_path: Path) -> Iterator[int]:
    """The port of an IMAP server that offers STARTTLS and SCRAM."""
    both = tmp_path / "server.pem"
    issuer.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(both))
    mailboxes = Mailboxes({b"INBOX": Mailbox(INBOX)})

    def serve(channel: Any, secure: Any) -> Any:
        return serve_imap(
            channel,
            mailboxes,
            USERS,
            capabilities=ALL_CAPABILITIES,
            secure=secure,
            nonces=lambda: secrets.token_hex(12).encode(),
        )

    with listening(imap.Server, serve, Certificate(both, both)) as number:
        yield number


def test_the_dialogues_are_as_shown() -> None:
    text = "\n".join(blocks("pycon"))
    names = {"imap": imap, "pop3": pop3, "smtp": smtp, "sasl": sasl}
    test = doctest.DocTestParser().get_doctest(text, names, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 15
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert runner.run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("name", [b"PLAIN", b"SCRAM-SHA-256"])
def test_the_functions_make_a_whole_session(
    page: Any, issuer: trustme.CA, port: int, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    context = ssl.create_default_context()
    issuer.configure_trust(context)
    account = sasl.Credentials(b"joe", sasl.Secret(b"sesame"))
    mechanism = sasl.make_client(name, account, nonce=secrets.token_hex(12).encode())
    client = imap.Client()
    next_event: Callable[..., imap.Event] = page.next_event
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        while not isinstance(next_event(client, plain), imap.Greeted):
            pass
        with page.start_tls(client, plain, context, "localhost") as connection:
            page.authenticate(client, connection, mechanism)
            page.print_subjects(client, connection)
    assert capsys.readouterr().out == "Subject: first\nSubject: second\n"


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= 120


def test_the_page_names_only_what_is_public() -> None:
    for place, own in re.findall(r"\b(imap|pop3|smtp|sasl)\.([A-Za-z_]\w+)", PAGE.read_text()):
        if own != "md":
            assert own in globals()[place].__all__, own
