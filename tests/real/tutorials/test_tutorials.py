"""Each tutorial does what it says, from the first line to the last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailhaul import servers

from ..daemon import until
from ..servers.dovecot import Dovecot
from ..servers.exim import Exim
from ..sign_in import ADDRESS, SignIn
from ..test_real_sign_in import signing
from .reader import Reader
from .stand_ins import SshHost, StandIns, message, stand_ins

__all__ = ["signing"]

pytestmark = pytest.mark.real

INSTALLED = {
    # tests/real/test_package.py installs the package into a new environment.
    "python3 -m venv": lambda text: "",
    "~/.local/share/mailhaul/bin/pip install": lambda text: "",
    "ln -s ~/.local/share/mailhaul/bin/mailhaul": lambda text: "",
}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[StandIns]:
    with stand_ins(tmp_path / "servers") as there:
        yield there


def reader(tmp_path: Path, there: StandIns, **more: object) -> Reader:
    home = tmp_path / "home"
    return Reader(home, there.places, there.environment, **more)  # type: ignore[arg-type]


def mailbox(count: int) -> servers.Mailbox:
    return servers.Mailbox(message(number) for number in range(1, count + 1))


def test_first_mailbox(tmp_path: Path, there: StandIns) -> None:
    box = mailbox(3)
    there.imap(box, "imap.example.net")
    joe = reader(tmp_path, there, played={**INSTALLED})
    joe.write("~/secret", "some-pass-word\n")

    def without_a_terminal(command: str) -> str:
        return joe.execute(f"{command} --passwordfd 3 3<~/secret")

    joe.played["mailhaul init"] = without_a_terminal
    joe.follow("tutorials/first-mailbox.md")
    assert len(box.messages) == 3
    assert len([*(joe.home / "Maildir" / "new").iterdir()]) == 3


def test_from_fetchmail(tmp_path: Path, there: StandIns) -> None:
    box = mailbox(3)
    there.pop3(box, "pop.example.net")
    there.smtp("localhost")
    # The daemon of whoever runs the tests is left alone.
    quit = {"fetchmail --quit": lambda text: "fetchmail: no other fetchmail is running\n"}
    joe = reader(tmp_path, there, played=quit, mode=0o600)
    # The server of the test chooses its own unique ids.
    joe.replace |= {"uid-0001": "1.1", "uid-0002": "1.2"}
    joe.follow("tutorials/from-fetchmail.md")
    assert len(there.taken.messages) == 1


def test_ssh(tmp_path: Path, scratch: Path, dovecot: Dovecot, exim: Exim, ssh_user: str) -> None:
    far = SshHost(scratch / "tutorial")
    joe = Reader(
        tmp_path / "home",
        homes={"joe@centralserver": far.home},
        replace={
            "/usr/lib/dovecot/imap": " ".join(dovecot.preauth_argv(ssh_user)),
            "/usr/sbin/sendmail -bs": " ".join(exim.bs_argv),
            "/etc/ssh/ssh_host_ed25519_key.pub": str(far.sshd.folder / "host.pub"),
            # ssh takes ~ from the user database.
            "IdentityFile ~": f"IdentityFile {tmp_path}/home",
        },
    )
    far.reached_by(joe.home, "centralserver.example.net", "smtpserver.example.net")
    for number in (1, 2):
        dovecot.deliver(ssh_user, message(number))
    with far.sshd.running():
        joe.follow("tutorials/ssh.md")
    assert [one.recipient for one in exim.delivered()] == ["joe@example.org"] * 2
    assert dovecot.messages(ssh_user) == []


def test_microsoft_365(tmp_path: Path, signing: SignIn) -> None:
    """Another issuer, and a Dovecot that asks it, in place of Microsoft's."""
    signing.dovecot.deliver(signing.user, message(2))
    joe = Reader(
        tmp_path / "home",
        {"outlook.office365.com:993": signing.dovecot.imaps_port},
        {"SSL_CERT_FILE": str(signing.certificates.authority)},
        replace={
            "oauthissuer microsoft": f'oauthissuer "{signing.issuer.url}"'
            " oauthscope openid offline_access mail",
            "    ssl\n": "    ssl sslcommonname localhost\n",
            '"00000000-1111-2222-3333-444444444444"': signing.client,
            "joe@contoso.example": signing.user,
        },
    )

    def sign_in(command: str) -> str:
        """Sit before the browser that the program opens."""
        program = joe.start(command)
        address = signing.read_until(program, ADDRESS)
        signing.browse(address)
        code, out = signing.end(program)
        joe.status = code
        return out

    joe.played["mailhaul login joe@contoso.example"] = sign_in
    joe.follow("tutorials/microsoft-365.md")
    assert len([*(joe.home / "Maildir" / "new").iterdir()]) == 2


def test_helpdesk(tmp_path: Path, there: StandIns) -> None:
    box = mailbox(2)
    box.append(re.sub(rb"Message-ID.*\r\n", b"", message(3)))
    there.imap(box, "imap.example.net")
    joe = reader(tmp_path, there)

    def read_by_a_colleague(command: str) -> str:
        box.append(message(4), b"\\Seen")
        return joe.execute(command)

    joe.played["mailhaul -s"] = read_by_a_colleague
    joe.follow("tutorials/helpdesk.md")
    assert [b"\\Seen" in one.flags for one in box.messages] == [False, False, False, True]


def test_a_thousand_mailboxes(tmp_path: Path, scratch: Path, there: StandIns, exim: Exim) -> None:
    dovecot = Dovecot(scratch / "thousand", there.certificate)
    there.places |= {"imap.example.net:993": dovecot.imaps_port, "localhost:25": exim.port}
    users = [f"user{number}" for number in range(1, 6)]
    for number, user in enumerate(users, 1):
        dovecot.deliver(user, message(number))
    joe = reader(tmp_path, there, replace={"pass-of-$user": dovecot.password})

    def when_it_answers(command: str) -> str:
        """The daemon may need a moment before it answers."""
        printed = ""

        def answers() -> bool:
            nonlocal printed
            printed = joe.execute(command)
            return joe.status == 0

        until(answers)
        return printed

    joe.played["mailhaul status"] = when_it_answers
    with dovecot.running():
        try:
            joe.follow("tutorials/thousand-mailboxes.md")
        finally:
            joe.execute("mailhaul -q")
    recipients = {one.recipient for one in exim.delivered()}
    assert recipients >= {f"{user}@example.org" for user in users[:4]}
