"""The mailhaul command with real POP3 servers: Dovecot over TCP and TLS, GNU pop3d as a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .corpus import body_of, simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices
from .servers.exim import Exim
from .servers.fetchmail import fetchmail
from .servers.mailutils import Mailutils

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "pop3-run", certificates.good)
    with server.running():
        yield server


@pytest.fixture
def joe(services: DovecotServices) -> str:
    """A user with two messages."""
    user = services.new_user()
    for number in (1, 2):
        services.deliver(user, simple(number))
    return user


@pytest.fixture(scope="module")
def mailutils(scratch: Path) -> Mailutils:
    return Mailutils(scratch / "pop3d")


def bodies(exim: Exim) -> list[bytes]:
    return sorted(body_of(one.data) for one in exim.delivered())


def rc(services: DovecotServices, user: str, exim: Exim, server: str, options: str) -> str:
    return (
        f"poll localhost no dns {server}\n"
        f'  user {user} password "{services.password}" is bob here\n'
        f"  smtphost localhost/{exim.port} {options}\n"
    )


@pytest.mark.parametrize(
    ("server", "options"),
    [
        ("protocol POP3 port {pop3s}", 'ssl sslcertfile "{authority}"'),
        ("protocol POP3 port {pop3}", 'sslcertfile "{authority}"'),
        ("protocol POP3 port {pop3} auth cram-md5", "sslproto ''"),
        ("protocol APOP port {pop3}", "sslproto ''"),
        ("protocol POP3 port {pop3} auth password", "sslproto '' fetchall"),
    ],
    ids=["tls", "stls", "cram-md5", "apop", "clear and fetchall"],
)
def test_mail_is_hauled_once_and_deleted(
    services: DovecotServices,
    certificates: Certificates,
    exim: Exim,
    joe: str,
    tmp_path: Path,
    server: str,
    options: str,
) -> None:
    places = {
        "pop3": services.pop3_port,
        "pop3s": services.pop3s_port,
        "authority": certificates.authority,
    }
    text = rc(services, joe, exim, server.format(**places), options.format(**places))
    run = mailhaul(text, tmp_path)
    assert (run.code, run.err) == (0, "")
    assert bodies(exim) == [body_of(simple(1)), body_of(simple(2))]
    assert services.messages(joe) == []
    assert mailhaul(text, tmp_path).code == 1


def test_what_is_kept_is_not_marked_and_not_read_again(
    services: DovecotServices, exim: Exim, joe: str, tmp_path: Path
) -> None:
    text = rc(services, joe, exim, f"protocol POP3 port {services.pop3_port}", "sslproto '' keep")
    assert mailhaul(text, tmp_path).code == 0
    assert services.flags(joe) == ["", ""]
    assert mailhaul(text, tmp_path).code == 1
    services.deliver(joe, simple(3))
    assert mailhaul(text, tmp_path).code == 0
    assert bodies(exim) == [body_of(simple(number)) for number in (1, 2, 3)]


def test_a_wrong_password_ends_with_three(
    services: DovecotServices, exim: Exim, joe: str, tmp_path: Path
) -> None:
    text = rc(services, joe, exim, f"protocol POP3 port {services.pop3_port}", "sslproto ''")
    run = mailhaul(text.replace(services.password, "wrong"), tmp_path)
    assert run.code == 3
    assert "wrong" not in run.out + run.err
    assert len(services.messages(joe)) == 2


def test_auto_turns_to_pop3_where_imap_is_not_spoken(
    services: DovecotServices, exim: Exim, joe: str, tmp_path: Path
) -> None:
    text = rc(services, joe, exim, f"protocol auto port {services.pop3_port}", "sslproto ''")
    run = mailhaul(text, tmp_path)
    assert run.code == 0, run.err
    assert len(bodies(exim)) == 2


def test_gnu_pop3d_behind_a_plugin(mailutils: Mailutils, exim: Exim, tmp_path: Path) -> None:
    user = mailutils.new_user()
    for number in (1, 2):
        mailutils.mailbox(user).deliver(simple(number))
    plugin = " ".join(mailutils.pop3d_argv)
    text = (
        f'poll pop3d.example no dns protocol POP3 plugin "{plugin}"\n'
        f"  user \"{user}\" password {mailutils.password} is bob here sslproto '' keep\n"
        f"  smtphost localhost/{exim.port}\n"
    )
    assert mailhaul(text, tmp_path).code == 0
    assert mailhaul(text, tmp_path).code == 1
    run = mailhaul(text.replace("keep", "fetchall no keep"), tmp_path)
    assert run.code == 0, run.err
    assert len(bodies(exim)) == 4
    assert mailhaul(text, tmp_path).code == 1


def test_who_switches_goes_on_where_fetchmail_stopped(
    services: DovecotServices, exim: Exim, joe: str, tmp_path: Path
) -> None:
    text = rc(
        services, joe, exim, f"protocol POP3 port {services.pop3_port} uidl", "sslproto '' keep"
    )
    assert fetchmail(text, tmp_path).returncode == 0
    before = (tmp_path / ".fetchids").read_bytes()
    services.deliver(joe, simple(3))
    home = {"FETCHMAILHOME": str(tmp_path)}
    assert mailhaul(text, tmp_path, environment=home).code == 0
    assert mailhaul(text, tmp_path, environment=home).code == 1
    assert bodies(exim) == [body_of(simple(number)) for number in (1, 2, 3)]
    assert (tmp_path / ".fetchids").read_bytes() == before
    # fetchmail goes on beside us as if nobody had been there.
    assert fetchmail(text, tmp_path).returncode == 0
    assert len(bodies(exim)) == 4
