"""The real fetchmail carries mail between the private servers, as the later tests will."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import body_of, refused_at_dot, simple
from .servers.certificates import Certificates
from .servers.dovecot import Dovecot
from .servers.exim import Exim
from .servers.fetchmail import fetchmail
from .servers.sshd import Sshd

pytestmark = pytest.mark.real


def bodies(exim: Exim) -> list[bytes]:
    return sorted(body_of(one.data) for one in exim.delivered())


def test_over_a_plugin_into_the_listener(
    dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path
) -> None:
    for number in (1, 2):
        dovecot.deliver(user, simple(number))
    done = fetchmail(
        "poll mail.example.org no dns protocol IMAP auth ssh\n"
        f'  plugin "{" ".join(dovecot.preauth_argv(user))}"\n'
        f"  is bob here sslproto '' smtphost localhost/{exim.port}\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert bodies(exim) == [body_of(simple(1)), body_of(simple(2))]
    assert [one.recipient for one in exim.delivered()] == ["bob@localhost"] * 2
    assert dovecot.messages(user) == []


def test_over_tls_into_the_sendmail_command(
    dovecot: Dovecot, certificates: Certificates, exim: Exim, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, simple())
    done = fetchmail(
        f"poll localhost protocol IMAP port {dovecot.imaps_port} no dns\n"
        f'  user {user} password "{dovecot.password}" is bob here\n'
        f'  ssl sslcertfile "{certificates.authority}" keep\n'
        f'  mda "{" ".join(exim.sendmail_argv)} -f %F %T"\n',
        tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert bodies(exim) == [body_of(simple())]
    assert dovecot.flags(user) == ["S"]


def test_over_ssh_both_ways(
    sshd: Sshd, dovecot: Dovecot, exim: Exim, ssh_user: str, tmp_path: Path
) -> None:
    dovecot.deliver(ssh_user, simple())
    done = fetchmail(
        "poll centralserver.example.org no dns protocol IMAP auth ssh\n"
        f'  plugin "{sshd.command(sshd.mykey)} /usr/sbin/imapd"\n'
        f'  plugout "{sshd.command(sshd.myotherkey)} /usr/lib/sendmail -bs"\n'
        "  is bob here sslproto ''\n",
        tmp_path,
    )
    assert done.returncode == 0, done.stdout
    assert bodies(exim) == [body_of(simple())]
    assert sshd.asked() == ["/usr/sbin/imapd", "/usr/lib/sendmail -bs"]


def test_an_expired_certificate_stops_it(
    dovecot_expired: Dovecot, certificates: Certificates, tmp_path: Path
) -> None:
    user = dovecot_expired.new_user()
    dovecot_expired.deliver(user, simple())
    done = fetchmail(
        f"poll localhost protocol IMAP port {dovecot_expired.imaps_port} no dns\n"
        f'  user {user} password "{dovecot_expired.password}" is bob here\n'
        f'  ssl sslcertfile "{certificates.authority}"\n'
        '  mda "/bin/cat"\n',
        tmp_path,
    )
    assert done.returncode != 0
    assert "expired" in done.stdout
    assert dovecot_expired.messages(user) == [simple()]


def test_a_message_that_the_listener_refuses_is_not_delivered(
    dovecot: Dovecot, exim: Exim, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, refused_at_dot())
    done = fetchmail(
        "poll mail.example.org no dns protocol IMAP auth ssh\n"
        f'  plugin "{" ".join(dovecot.preauth_argv(user))}"\n'
        f"  is bob here sslproto '' smtphost localhost/{exim.port}\n",
        tmp_path,
    )
    assert "this message is not wanted" in done.stdout
    assert exim.delivered() == []
