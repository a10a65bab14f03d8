"""smtpparallel with real listeners: Exim, which limits connections, and Postfix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim
from .servers.postfix import Postfix

pytestmark = pytest.mark.real

NUMBERS = range(10, 40)
PER_HOST = 3
NUMBER = re.compile(rb"<simple([0-9]+)@")


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "parallel", certificates.good)
    with server.running():
        yield server


@pytest.fixture
def strict_exim(scratch: Path) -> Iterator[Exim]:
    """An Exim that refuses the fourth connection of a host with 421."""
    server = Exim(scratch / "strict-exim")
    text = server.configuration.read_text()
    changed = f"smtp_accept_max = 100\nsmtp_accept_max_per_host = {PER_HOST}"
    server.configuration.write_text(text.replace("smtp_accept_max = 0", changed))
    with server.running():
        yield server


def haul(services: DovecotServices, port: int, home: Path, lanes: int) -> list[int]:
    """Move messages to a listener; return what is left on the server."""
    user = services.new_user()
    for number in NUMBERS:
        services.deliver(user, simple(number))
    rc = (
        f"poll localhost no dns protocol IMAP port {services.imap_port} auth password\n"
        f'  user {user} password "{services.password}" is bob here\n'
        f"  sslproto '' smtphost localhost/{port} smtpparallel {lanes}\n"
    )
    run = mailhaul(rc, home)
    assert (run.code, run.err) == (0, "")
    return numbers(services.messages(user))


def numbers(stored: Iterable[bytes]) -> list[int]:
    """Return the numbers of messages, in order."""
    return sorted(int(NUMBER.findall(one)[0]) for one in stored)


def test_exim_takes_every_message_once_by_several_connections(
    services: DovecotServices, exim: Exim, tmp_path: Path
) -> None:
    assert haul(services, exim.port, tmp_path, 8) == []
    assert numbers(one.data for one in exim.delivered()) == [*NUMBERS]


def test_exim_that_refuses_further_connections_gets_all_by_those_it_takes(
    services: DovecotServices, strict_exim: Exim, tmp_path: Path
) -> None:
    assert haul(services, strict_exim.port, tmp_path, 8) == []
    assert numbers(one.data for one in strict_exim.delivered()) == [*NUMBERS]
    assert "too many connections" in strict_exim.log().lower()


def test_postfix_takes_every_message_once_by_several_connections(
    services: DovecotServices, postfix_server: Postfix, tmp_path: Path
) -> None:
    postfix_server.clear()
    assert haul(services, postfix_server.port, tmp_path, 8) == []
    assert numbers(path.read_bytes() for path in postfix_server.delivered()) == [*NUMBERS]
