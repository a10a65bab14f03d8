"""``mailhaul explain`` shows what a server announces and what is used of it; it changes nothing."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import trustme

from mailhaul import imap, pop3, smtp
from mailhaul.apps.cli.explained.document import SCHEMA
from mailhaul.flows.outcome import PollFailed

from .looking import PASSWORD, World, columns_of, mail, read_json
from .looking import world as world  # noqa: PLC0414  # a fixture


def features(document: Any) -> dict[str, tuple[bool, bool]]:
    return {one["name"]: (one["offered"], one["used"]) for one in document["features"]}


def test_an_imap_server_is_explained(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.inbox.append(mail(1))
    world.inbox.append(mail(2), rb"\Seen")
    more = f"idle folder INBOX S% smtphost localhost/{world.smtp_port()}"
    world.write_rc(world.account("imap", world.imap_port(), more))
    files = world.files()
    assert world.explain("joe@localhost", "--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert document["login"] == {"method": "LOGIN", "accepted": True}
    assert features(document)["IDLE"] == (True, True)
    assert features(document)["UIDPLUS"] == (True, True)
    assert features(document)["STARTTLS"] == (False, False)
    assert features(document)["COMPRESS"] == (True, False)
    assert features(document)["AUTH"] == (True, False)
    folders = [
        (one["name"], one["fetched"], one["messages"], one["unseen"]) for one in document["folders"]
    ]
    assert folders == [("INBOX", True, 2, 1), ("Sent", True, 1, 1)]
    [listener] = document["sink"]["listeners"]
    assert "PIPELINING" in listener["extensions"]
    assert world.listened.kinds - {smtp.Closed} == {smtp.Ehlo, smtp.Quit}
    assert not world.heard.kinds & {imap.Select, imap.UidFetch, imap.Fetch, imap.Store}
    assert world.files() == files
    assert world.explain("localhost") == 0
    out = capsys.readouterr().out
    columns_of(out)
    assert "\x1b" not in out
    assert PASSWORD not in out
    assert "waits for new mail between polls" in out


def test_a_pop3_server_is_explained(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.maildrop.mailbox.append(mail(1))
    world.write_rc(world.account("pop3", world.pop3_port(), f"maildir {world.home}/Mail"))
    assert world.explain("joe", "--json") == 0
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert document["maildrop"]["messages"] == 1
    assert features(document)["UIDL"] == (True, True)
    assert features(document)["TOP"] == (True, True)
    assert document["capabilities"]["before_login"]
    assert not world.heard.kinds & {pop3.Retrieve, pop3.Delete, pop3.Top}
    assert world.explain("joe") == 0
    lines = columns_of(capsys.readouterr().out)
    assert any("which the first delivery creates" in line for line in lines)
    assert not (world.home / "Mail").exists()


def test_what_was_known_before_a_refused_login_is_shown(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    text = world.account("imap", world.imap_port(), "mda cat")
    world.write_rc(text.replace(PASSWORD, "wrong-password"))
    assert world.explain("joe", "--json") == 3
    document = read_json(capsys.readouterr().out, SCHEMA)
    assert document["login"] == {"method": "LOGIN", "accepted": False}
    assert "IDLE" in document["capabilities"]["before_login"]
    assert "Authorization failure" in document["error"]
    assert document["exit_code"] == 3
    assert world.explain("joe") == 3
    out = capsys.readouterr().out
    assert "wrong-password" not in out
    columns_of(out)


def test_a_listener_that_is_not_there_is_reported(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    more = f"smtphost {world.home}/none.sock"
    world.write_rc(world.account("imap", world.imap_port(), more))
    assert world.explain("joe", "--json") == 10
    document = read_json(capsys.readouterr().out, SCHEMA)
    [listener] = document["sink"]["listeners"]
    assert (listener["protocol"], listener["extensions"]) == ("lmtp", [])
    assert "No such file" in listener["error"]


def test_an_account_has_to_be_named_clearly(world: World) -> None:
    text = world.account("imap", 1143, "mda cat")
    world.write_rc(text + text.replace("localhost", "127.0.0.1"))
    with pytest.raises(PollFailed, match="several accounts; give one of joe@localhost, joe@127"):
        world.explain("joe")
    with pytest.raises(PollFailed, match='no account "anna"'):
        world.explain("anna")


class SecureServer:
    """A scripted IMAP server with TLS from the first byte, and a quota."""

    def __init__(self, cleanup: ExitStack) -> None:
        authority = trustme.CA(organization_name="Example CA")
        self.authority = authority.cert_pem.bytes()
        certificate = authority.issue_cert("localhost", common_name="mail.example.org")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self.context)
        self.lines: list[str] = []
        self.socket = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with (
                suppress(OSError),
                self.context.wrap_socket(connection, server_side=True) as secure,
                secure.makefile("rwb") as file,
            ):
                self.talk(file)
            connection.close()

    def talk(self, file: Any) -> None:
        file.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] Ready.\r\n")
        file.flush()
        while line := file.readline().decode():
            tag, command, *_ = line.split()
            self.lines.append(command)
            said = {
                "CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE UIDPLUS QUOTA\r\n",
                "LIST": '* LIST (\\HasNoChildren) "/" INBOX\r\n',
                "STATUS": '* STATUS "INBOX" (MESSAGES 12 UNSEEN 3)\r\n',
                "GETQUOTAROOT": '* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 512 1024)\r\n',
                "LOGOUT": "* BYE\r\n",
            }
            file.write(f"{said.get(command, '')}{tag} OK done\r\n".encode())
            file.flush()


@pytest.mark.parametrize("how", ["verified", "not verified", "refused"])
def test_a_certificate_is_shown_whether_it_is_accepted_or_not(
    world: World, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    server = SecureServer(world.cleanup)
    (world.home / "ca.pem").write_bytes(server.authority)
    trust = {
        "verified": f"sslcertfile {world.home}/ca.pem",
        "not verified": "no sslcertck",
        "refused": "",
    }[how]
    text = world.account("imap", server.port, f"ssl {trust} mda cat")
    world.write_rc(text.replace("sslmode none", ""))
    assert world.explain("joe", "--json") == (2 if how == "refused" else 0)
    document = read_json(capsys.readouterr().out, SCHEMA)
    tls = document["tls"]
    assert tls["version"] == "TLSv1.3"
    assert tls["verified"] == (how == "verified")
    certificate = tls["certificate"]
    assert certificate["names"] == ["localhost"]
    assert "mail.example.org" in certificate["subject"]
    assert "Example CA" in certificate["issuer"]
    assert certificate["days_left"] > 0
    assert len(certificate["sha256"]) == 95
    if how == "refused":
        assert "certificate refused" in document["error"]
        assert server.lines == []
    else:
        assert document["quotas"] == [
            {"root": "", "resources": [{"name": "STORAGE", "usage": 512, "limit": 1024}]}
        ]
    assert world.explain("joe") == document["exit_code"]
    out = capsys.readouterr().out
    columns_of(out)
    assert "days left" in out
    if how != "refused":
        assert "512 KiB of 1.0 MiB (50 %)" in out
        assert re.search(r"\* +INBOX +12 +3$", out, re.MULTILINE)
