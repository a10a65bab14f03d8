"""The clients of others, against the server roles of the protocol core."""

from __future__ import annotations

import email
import imaplib
import os
import poplib
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.smtp.server import DEFAULT_EXTENSIONS, SmtpServer
from mailhaul.servers.imap import ALL_CAPABILITIES, serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3
from mailhaul.servers.smtp import MemorySink, serve_smtp

from ..servers.certificates import Certificates
from ..servers.fetchmail import fetchmail
from ..servers.ours import listening, nonce
from ..servers.process import program

pytestmark = pytest.mark.real

USERS = {b"joe": b"sesame"}
EXTENSIONS = {**DEFAULT_EXTENSIONS, b"CHUNKING": b"", b"DSN": b"", b"SMTPUTF8": b""}


def message(number: int, size: int = 100) -> bytes:
    body = b".dot %d\r\n" % number + b"x" * 60 + b"\r\n"
    header = b"From: ann@example.net\r\nTo: joe@example.org\r\nSubject: %d\r\n" % number
    header += b"Message-ID: <%d@example.net>\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n" % number
    return header + b"\r\n" + body * (size // 70 + 1)


TEXTS = [message(1), message(2, 200_000), message(3)]


@dataclass
class Ours:
    """All servers of ours, each on a port of its own, and what they hold."""

    inbox: Mailbox
    mailboxes: Mailboxes
    sink: MemorySink
    imap: int
    imaps: int
    pop3: int
    smtp: int
    lmtp: int
    authority: Path

    def texts(self, name: bytes = b"INBOX") -> list[bytes]:
        """Return what is in a mailbox."""
        return [one.text for one in self.mailboxes[name].messages]


@pytest.fixture
def ours(certificates: Certificates) -> Iterator[Ours]:
    """Servers whose INBOX and maildrop hold the same three messages."""
    inbox = Mailbox(TEXTS, uidvalidity=7)
    boxes = Mailboxes({b"INBOX": inbox, b"Archive": Mailbox(uidvalidity=8)})
    maildrop, sink, logins = Maildrop(inbox), MemorySink(), Logins(USERS, nonce)
    imap = lambda channel, secure: serve_imap(  # noqa: E731
        channel, boxes, USERS, None, ALL_CAPABILITIES, secure, nonce
    )
    pop3 = lambda channel, secure: serve_pop3(  # noqa: E731
        channel, maildrop, logins, None, secure, nonce()
    )
    smtp = lambda channel, secure: serve_smtp(channel, sink, logins, secure)  # noqa: E731
    certificate = certificates.good
    with ExitStack() as stack:
        yield Ours(
            inbox,
            boxes,
            sink,
            stack.enter_context(listening(ImapServer, imap, certificate)),
            stack.enter_context(listening(ImapServer, imap, certificate, implicit_tls=True)),
            stack.enter_context(listening(Pop3Server, pop3, certificate)),
            stack.enter_context(
                listening(lambda: SmtpServer(False, EXTENSIONS), smtp, certificate)
            ),
            stack.enter_context(listening(lambda: SmtpServer(True, EXTENSIONS), smtp, certificate)),
            certificates.authority,
        )


def run(*argv: str | Path, home: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a program to its good end; its files are below ``home``."""
    done = subprocess.run(
        [program(str(argv[0])), *argv[1:]],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def unix(text: bytes) -> bytes:
    """Return a text with the line ends of a file."""
    return text.replace(b"\r\n", b"\n")


def bodies(texts: list[bytes]) -> list[bytes]:
    """Return what is behind the headers, with line ends that are the same for all programs."""
    return sorted(unix(text).partition(b"\n\n")[2] for text in texts)


def stored(folder: Path) -> list[bytes]:
    """Return the messages in a Maildir."""
    return [path.read_bytes() for kind in ("cur", "new") for path in (folder / kind).iterdir()]


def maildir(folder: Path) -> Path:
    """Make an empty Maildir."""
    for kind in ("cur", "new", "tmp"):
        (folder / kind).mkdir(parents=True)
    return folder


def private(path: Path, text: str) -> Path:
    """Write a file that only its owner reads."""
    path.write_text(text)
    path.chmod(0o600)
    return path


# fetchmail

RC = """
defaults user joe password sesame is bob here fetchall smtphost localhost/{smtp}
poll localhost protocol {protocol} port {port} no dns {server} {user}
"""


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
@pytest.mark.parametrize(
    ("server", "user"),
    [
        ("auth password", "sslproto ''"),
        ("", 'sslproto "auto" sslcertck sslcertfile "{authority}"'),
        ("auth cram-md5", "sslproto ''"),
    ],
    ids=["plain", "starttls", "cram-md5"],
)
def test_fetchmail_hauls_from_and_to_our_servers(
    ours: Ours, protocol: str, server: str, user: str, tmp_path: Path
) -> None:
    port = ours.imap if protocol == "IMAP" else ours.pop3
    user = user.format(authority=ours.authority)
    rc = RC.format(smtp=ours.smtp, protocol=protocol, port=port, server=server, user=user)
    done = fetchmail(rc, tmp_path, "-v", "-v")
    assert done.returncode == 0, done.stdout
    assert bodies([one.text for one in ours.sink.messages]) == bodies(TEXTS)
    assert {one.recipients for one in ours.sink.messages} == {(b"bob@localhost",)}
    assert ours.texts() == []
    again = fetchmail(rc, tmp_path)
    assert again.returncode == 1, again.stdout


def test_fetchmail_proves_the_password_by_apop(ours: Ours, tmp_path: Path) -> None:
    rc = RC.format(
        smtp=ours.smtp, protocol="APOP", port=ours.pop3, server="", user="sslproto '' keep"
    )
    done = fetchmail(rc, tmp_path, "-v")
    assert done.returncode == 0, done.stdout
    assert len(ours.sink.messages) == 3
    assert ours.texts() == TEXTS


def test_fetchmail_keeps_and_remembers(ours: Ours, tmp_path: Path) -> None:
    rc = RC.format(
        smtp=ours.smtp, protocol="POP3", port=ours.pop3, server="uidl", user="sslproto '' keep"
    ).replace("fetchall", "")
    assert fetchmail(rc, tmp_path).returncode == 0
    ours.inbox.append(message(4))
    assert fetchmail(rc, tmp_path).returncode == 0
    assert len(ours.sink.messages) == 4


def test_fetchmail_is_told_of_new_mail_while_idle(ours: Ours, tmp_path: Path) -> None:
    rc = RC.format(
        smtp=ours.smtp, protocol="IMAP", port=ours.imap, server="", user="sslproto '' idle keep"
    ).replace("fetchall", "")
    arrives = lambda: (  # noqa: E731
        ours.inbox.append(message(4)) if len(ours.sink.messages) == 3 else None
    )
    with pytest.raises(subprocess.TimeoutExpired):
        impatient(rc, tmp_path, arrives)
    assert len(ours.sink.messages) == 4


def impatient(rc: str, home: Path, meanwhile: Callable[[], object]) -> None:
    """Run fetchmail for some seconds, and something meanwhile."""
    path = private(home / "fetchmailrc", rc)
    argv = [program("fetchmail"), "-f", str(path), "--pidfile", str(home / "pid")]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "FETCHMAILHOME": str(home)}
    with subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(3):
                try:
                    process.wait(2)
                except subprocess.TimeoutExpired:
                    meanwhile()
            process.wait(1)
        finally:
            process.terminate()


# mpop and msmtp


def mpop_version() -> tuple[int, ...]:
    shown = subprocess.run(["mpop", "--version"], check=True, capture_output=True, text=True)
    return tuple(map(int, shown.stdout.split()[2].split(".")))


@pytest.mark.parametrize(
    ("auth", "tls"),
    [
        *(("user", "off"), ("apop", "off"), ("cram-md5", "off"), ("plain", "on"), ("login", "on")),
        *(("scram-sha-1", "on"), ("scram-sha-256", "off")),
    ],
)
def test_mpop_fetches(ours: Ours, auth: str, tls: str, tmp_path: Path) -> None:
    if (auth, tls) == ("scram-sha-1", "on") and mpop_version() >= (1, 4, 21):
        pytest.skip("mpop 1.4.21 gives up SCRAM inside TLS before it sends a command")
    folder = maildir(tmp_path / "mail")
    rc = private(
        tmp_path / "mpoprc",
        f"account a\nhost localhost\nport {ours.pop3}\nuser joe\npassword sesame\nauth {auth}\n"
        f"tls {tls}\ntls_starttls on\ntls_trust_file {ours.authority}\n"
        f"delivery maildir {folder}\nkeep off\nuidls_file {tmp_path}/uidls\n",
    )
    run("mpop", f"--file={rc}", "a", home=tmp_path)
    assert bodies(stored(folder)) == bodies(TEXTS)
    assert ours.texts() == []


@pytest.mark.parametrize(
    ("auth", "tls", "lmtp"),
    [
        *(("off", "off", False), ("plain", "on", False), ("cram-md5", "off", False)),
        *(("scram-sha-256", "off", False), ("login", "on", False), ("off", "off", True)),
    ],
)
def test_msmtp_sends(ours: Ours, auth: str, tls: str, lmtp: bool, tmp_path: Path) -> None:
    port = ours.lmtp if lmtp else ours.smtp
    rc = private(
        tmp_path / "msmtprc",
        f"account a\nhost localhost\nport {port}\nfrom ann@example.net\nauth {auth}\n"
        f"user joe\npassword sesame\ntls {tls}\ntls_starttls on\ntls_trust_file {ours.authority}\n"
        f"protocol {'lmtp' if lmtp else 'smtp'}\ndsn_notify failure\n",
    )
    argv = ["msmtp", f"--file={rc}", "-a", "a", "bob@example.org", "eve@example.org"]
    run(*argv, home=tmp_path, stdin=unix(TEXTS[1]))
    [received] = ours.sink.messages
    assert bodies([received.text]) == bodies([TEXTS[1]])
    assert received.recipients == (b"bob@example.org", b"eve@example.org")


# mbsync


def test_mbsync_synchronises_both_ways(ours: Ours, tmp_path: Path) -> None:
    ours.mailboxes[b"Archive"].append(message(9), rb"\Seen")
    folder = tmp_path / "mail"
    folder.mkdir()
    rc = private(
        tmp_path / "mbsyncrc",
        f"IMAPAccount a\nHost localhost\nPort {ours.imap}\nUser joe\nPass sesame\n"
        f"SSLType STARTTLS\nCertificateFile {ours.authority}\n\n"
        "IMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {folder}/\nInbox {folder}/INBOX\nSubFolders Verbatim\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n"
        f"SyncState {tmp_path}/\nSync All\n",
    )
    run("mbsync", "-c", rc, "-a", home=tmp_path)
    assert bodies(stored(folder / "INBOX")) == bodies(TEXTS)
    assert bodies(stored(folder / "Archive")) == bodies([message(9)])
    # A message of our own goes there, a flag too, and what is gone there goes here.
    (folder / "INBOX" / "new" / "1.own").write_bytes(unix(message(5)))
    ours.inbox.remove({1})
    [mine] = [p for p in (folder / "INBOX").glob("*/*") if b"Subject: 3" in p.read_bytes()]
    mine.rename(folder / "INBOX" / "cur" / (mine.name.partition(":")[0] + ":2,F"))
    run("mbsync", "-c", rc, "-a", home=tmp_path)
    assert bodies(ours.texts()) == bodies([TEXTS[1], TEXTS[2], message(5)])
    assert rb"\Flagged" in ours.inbox.messages[1].flags
    assert len(stored(folder / "INBOX")) == 3


ODD_NAMES = [b"a[b", b"a]b", b"NIL", b"a b", b'a"b', b"Entw&APw-rfe", b"R&-D", b"sub/a[b"]


def test_mbsync_and_curl_synchronise_mailboxes_with_odd_names(ours: Ours, tmp_path: Path) -> None:
    for number, name in enumerate(ODD_NAMES, 10):
        ours.mailboxes.create(name)
        ours.mailboxes[name].append(message(number))
    folder = tmp_path / "mail"
    folder.mkdir()
    rc = private(
        tmp_path / "mbsyncrc",
        f"IMAPAccount a\nHost localhost\nPort {ours.imap}\nUser joe\nPass sesame\n"
        f"SSLType STARTTLS\nCertificateFile {ours.authority}\n\n"
        "IMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {folder}/\nInbox {folder}/INBOX\nSubFolders Verbatim\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\n"
        f"SyncState {tmp_path}/\nSync All\n",
    )
    run("mbsync", "-c", rc, "-a", home=tmp_path)
    found = [text for path in folder.rglob("new") for text in stored(path.parent)]
    there = [text for name in ours.mailboxes for text in ours.texts(name)]
    assert bodies(found) == bodies(there)
    for number, name in enumerate(ODD_NAMES, 10):
        path = quote(name)
        url = f"imap://joe:sesame@localhost:{ours.imap}/{path};UID=1"
        done = run("curl", "--silent", "--show-error", "--globoff", url, home=tmp_path)
        assert bodies([done.stdout]) == bodies([message(number)])


# getmail6


@pytest.mark.parametrize("protocol", ["IMAP", "IMAPSSL", "POP3"])
def test_getmail_fetches(ours: Ours, protocol: str, tmp_path: Path) -> None:
    folder = maildir(tmp_path / "mail")
    port = {"IMAP": ours.imap, "IMAPSSL": ours.imaps, "POP3": ours.pop3}[protocol]
    mailboxes = 'mailboxes = ("INBOX",)\n' if protocol.startswith("IMAP") else ""
    authority = f"ca_certs = {ours.authority}\n" if protocol == "IMAPSSL" else ""
    private(
        tmp_path / "getmailrc",
        f"[retriever]\ntype = Simple{protocol}Retriever\nserver = localhost\nport = {port}\n"
        f"username = joe\npassword = sesame\n{mailboxes}{authority}"
        f"[destination]\ntype = Maildir\npath = {folder}/\n"
        "[options]\ndelete = true\nread_all = true\n",
    )
    if os.geteuid() == 0:
        # Getmail delivers to no Maildir as root, so it runs as the folder's owner.
        for path in (tmp_path, *tmp_path.rglob("*")):
            shutil.chown(path, "mail", "mail")
        reachable(tmp_path)
    argv = ["getmail", f"--getmaildir={tmp_path}", "--rcfile=getmailrc", "--quiet"]
    run("setpriv", "--reuid=mail", "--regid=mail", "--clear-groups", *argv, home=tmp_path)
    assert bodies(stored(folder)) == bodies(TEXTS)
    assert ours.texts() == []


def reachable(folder: Path) -> None:
    """Let another user go through all folders above this one."""
    for parent in folder.parents:
        if parent != Path("/tmp") and parent.is_relative_to("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)


# Python's own


@pytest.fixture
def trust(ours: Ours) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ours.authority))


def test_imaplib_does_all_it_can(ours: Ours, trust: ssl.SSLContext) -> None:
    with imaplib.IMAP4("localhost", ours.imap, timeout=20) as client:
        assert client.starttls(trust)[0] == "OK"
        assert client.login_cram_md5("joe", "sesame")[0] == "OK"
        assert client.enable("CONDSTORE")[0] == "OK"
        assert client.create('"My Mail"')[0] == "OK"
        assert client.subscribe('"My Mail"')[0] == "OK"
        assert client.lsub() == ("OK", [b'() "/" "My Mail"'])
        assert len(client.list()[1]) == 3
        assert client.namespace() == ("OK", [b'(("" "/")) NIL NIL'])
        flags, date = r"(\Seen)", '"17-Jul-1996 02:44:25 -0700"'
        assert client.append('"My Mail"', flags, date, message(5))[0] == "OK"
        assert client.status('"My Mail"', "(MESSAGES)") == ("OK", [b'"My Mail" (MESSAGES 1)'])
        assert client.select() == ("OK", [b"3"])
        assert client.search(None, "SUBJECT", '"2"') == ("OK", [b"2"])
        assert client.copy("1:2", "Archive")[0] == "OK"
        assert client.uid("MOVE", "3", '"My Mail"')[0] == "OK"
        _, [envelope] = client.fetch("1", "(ENVELOPE)")
        assert isinstance(envelope, bytes)
        assert b"<1@example.net>" in envelope
        assert client.unselect()[0] == "OK"
        assert client.rename("Archive", "Old")[0] == "OK"
        assert client.delete("Old")[0] == "OK"
    assert bodies(ours.texts(b"My Mail")) == bodies([message(3), message(5)])
    assert ours.mailboxes[b"My Mail"].messages[0].date == b"17-Jul-1996 02:44:25 -0700"


def test_imaplib_authenticates_as_it_likes(ours: Ours) -> None:
    with imaplib.IMAP4_SSL("localhost", ours.imaps, ssl_context=unchecked(), timeout=20) as client:
        assert client.authenticate("PLAIN", lambda _: b"\0joe\0sesame")[0] == "OK"


def test_imaplib_is_told_when_the_password_is_wrong(ours: Ours) -> None:
    client = imaplib.IMAP4("localhost", ours.imap, timeout=20)
    with pytest.raises(imaplib.IMAP4.error, match="wrong user or password"):
        client.login("joe", "wrong")
    client.logout()


def unchecked() -> ssl.SSLContext:
    """Return a context that believes any certificate: who it is is not the question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_poplib_does_all_it_can(ours: Ours, trust: ssl.SSLContext) -> None:
    client = poplib.POP3("localhost", ours.pop3, timeout=20)
    assert "UIDL" in client.capa()
    client.stls(trust)
    client.user("joe")
    client.pass_("sesame")
    assert client.stat() == (3, sum(map(len, TEXTS)))
    assert client.list()[1] == [b"%d %d" % (n, len(text)) for n, text in enumerate(TEXTS, 1)]
    assert client.uidl()[1] == [b"1 7.1", b"2 7.2", b"3 7.3"]
    assert client.uidl(2) == b"+OK 2 7.2"
    assert b"\r\n".join(client.retr(2)[1]) + b"\r\n" == TEXTS[1]
    assert client.top(1, 1)[1][-1].startswith(b".dot")
    client.dele(1)
    client.rset()
    client.dele(3)
    client.noop()
    client.quit()
    assert ours.texts() == TEXTS[:2]


def test_poplib_proves_the_password(ours: Ours) -> None:
    client = poplib.POP3("localhost", ours.pop3, timeout=20)
    client.apop("joe", "sesame")
    client.quit()
    client = poplib.POP3("localhost", ours.pop3, timeout=20)
    client.user("joe")
    with pytest.raises(poplib.error_proto, match="wrong"):
        client.pass_("no")
    client.close()


def test_smtplib_does_all_it_can(ours: Ours, trust: ssl.SSLContext) -> None:
    with smtplib.SMTP("localhost", ours.smtp, timeout=20) as client:
        client.starttls(context=trust)
        client.login("joe", "sesame")
        letter = email.message_from_bytes(TEXTS[0])
        refused = client.send_message(letter, "ann@example.net", ["bob@example.org"])
        assert refused == {}
        assert client.verify("bob")[0] == 252
        client.sendmail("", ["bob@example.org"], b".\r\n..\r\nend", rcpt_options=["NOTIFY=NEVER"])
        client.sendmail("jörg@example.net", ["bob@example.org"], b"hi", ["SMTPUTF8"])
    first, second, third = ours.sink.messages
    assert bodies([first.text]) == bodies([TEXTS[0]])
    assert (second.sender, second.text) == (b"", b".\r\n..\r\nend\r\n")
    assert third.sender == "jörg@example.net".encode()


def test_smtplib_speaks_lmtp(ours: Ours) -> None:
    with smtplib.LMTP("localhost", ours.lmtp) as client:
        client.sendmail("ann@example.net", ["bob@example.org"], TEXTS[0])
    assert ours.sink.messages[0].text == TEXTS[0]


def test_smtplib_is_told_when_the_password_is_wrong(ours: Ours) -> None:
    with smtplib.SMTP("localhost", ours.smtp, timeout=20) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("joe", "wrong")
        client.login("joe", "sesame")


# curl


def curl(home: Path, *argv: str, stdin: bytes = b"") -> bytes:
    arguments = ["--silent", "--show-error", "--user", "joe:sesame", *argv]
    return run("curl", *arguments, home=home, stdin=stdin).stdout


def test_curl_speaks_imap(ours: Ours, tmp_path: Path) -> None:
    url = f"imap://localhost:{ours.imap}"
    assert unix(curl(tmp_path, f"{url}/INBOX;UID=2")) == unix(TEXTS[1])
    assert b"* SEARCH 1 2 3" in curl(tmp_path, f"{url}/INBOX?ALL")
    assert b"Archive" in curl(tmp_path, url)
    secured = ("--ssl-reqd", "--cacert", str(ours.authority))
    assert b"EXISTS" in curl(tmp_path, *secured, url, "--request", "EXAMINE INBOX")
    letter = tmp_path / "letter"
    letter.write_bytes(message(6))
    curl(tmp_path, "--upload-file", str(letter), f"{url}/Archive")
    assert ours.texts(b"Archive") == [message(6)]


@pytest.mark.parametrize("options", ["AUTH=PLAIN", "AUTH=LOGIN", "AUTH=CRAM-MD5", "AUTH=+APOP"])
def test_curl_speaks_pop3(ours: Ours, options: str, tmp_path: Path) -> None:
    login = ("--login-options", options)
    url = f"pop3://localhost:{ours.pop3}"
    assert curl(tmp_path, *login, f"{url}/2") == TEXTS[1]
    assert curl(tmp_path, *login, url).splitlines() == [
        b"%d %d" % (number, len(text)) for number, text in enumerate(TEXTS, 1)
    ]


@pytest.mark.parametrize("options", ["AUTH=PLAIN", "AUTH=LOGIN", "AUTH=CRAM-MD5"])
def test_curl_speaks_smtp(ours: Ours, options: str, tmp_path: Path) -> None:
    envelope = ("--mail-from", "ann@example.net", "--mail-rcpt", "bob@example.org")
    secured = ("--ssl-reqd", "--cacert", str(ours.authority), "--login-options", options)
    url = f"smtp://localhost:{ours.smtp}"
    curl(tmp_path, *envelope, *secured, url, "--upload-file", "-", stdin=TEXTS[1])
    assert [one.text for one in ours.sink.messages] == [TEXTS[1]]
