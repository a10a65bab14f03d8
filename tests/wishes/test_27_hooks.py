"""Wish 27: commands of the user, or webhooks, are run after a delivery, a failure and a recovery.

Each account has its own, and they know what happened. home-manager#365, OfflineIMAP#236,
OfflineIMAP#603, OfflineIMAP#689, mailcow#2946.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from mailhaul.flows.outcome import ExitCode
from tests.apps.bad.running import SECRET, mailhaul, script
from tests.apps.bad.scripted_imap import ScriptedImap, message

POST = """
import json, os, sys, urllib.request
facts = {name: value for name, value in os.environ.items() if name.startswith("MAILHAUL_")}
urllib.request.urlopen(sys.argv[1], json.dumps(facts).encode()).close()
"""


def entry(name: str, port: int, home: Path, options: str) -> str:
    return (
        f"poll {name} via localhost port {port} protocol imap no dns\n"
        f"  user joe password {SECRET} sslproto '' keep maildir {home}/Mail {options}\n"
    )


class Webhook(HTTPServer):
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.posted: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Post)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Post(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.posted.append(json.loads(self.rfile.read(size)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_a_webhook_is_called_for_the_account_that_has_mail(tmp_path: Path) -> None:
    (tmp_path / "post.py").write_text(POST)
    with (
        Webhook() as hook,
        ScriptedImap(message(1), message(2)) as full,
        ScriptedImap() as empty,
    ):
        listening = threading.Thread(target=hook.serve_forever, args=(0.01,))
        listening.start()
        option = f"on-delivery '{sys.executable} {tmp_path}/post.py {hook.url}'"
        servers = {"full": full.port, "empty": empty.port}
        rc = "".join(entry(name, port, tmp_path, option) for name, port in servers.items())
        # The second run finds no new mail.
        codes = [mailhaul(tmp_path, rc).code for _ in range(2)]
        hook.shutdown()
        listening.join()
    assert codes == [ExitCode.SUCCESS, ExitCode.NOMAIL]
    [facts] = hook.posted
    assert facts["MAILHAUL_EVENT"] == "delivery"
    assert facts["MAILHAUL_ACCOUNT"] == "joe@full"
    assert facts["MAILHAUL_MESSAGES"] == "2"
    assert facts["MAILHAUL_OCTETS"] == str(len(message(1)) + len(message(2)))
    assert not any(SECRET in value for value in facts.values())


def test_commands_hear_of_a_failure_and_of_the_recovery_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    names = "EVENT ACCOUNT CODE FAILURES"
    words = " ".join(f"$MAILHAUL_{name}" for name in names.split())
    note = script(tmp_path / "note", f'echo "{words}" >>{log}')
    options = f"alertafter 1 on-failure {note} on-recovery {note}"
    with ScriptedImap() as server:
        server.answers["LOGIN"] = b"NO not you"
        rc = entry("shop", server.port, tmp_path, options)
        codes = [mailhaul(tmp_path, rc).code for _ in range(2)]
        server.answers.clear()
        codes.append(mailhaul(tmp_path, rc).code)
    assert codes == [ExitCode.AUTHFAIL, ExitCode.AUTHFAIL, ExitCode.NOMAIL]
    assert log.read_text().splitlines() == [
        "failure joe@shop AUTHFAIL 1",
        "recovery joe@shop AUTHFAIL 0",
    ]
