"""A user of mailhaul with OAuth: an rc file, ``mailhaul login`` and the browser that it needs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .entries import trusting
from .servers.certificates import Certificates
from .servers.dovecot_oauth import DovecotOAuth
from .servers.issuer import DESKTOP, Issuer
from .servers.web_user import WebUser

CODE = re.compile(r"enter the code (\S+)")
ADDRESS = re.compile(r"^https://\S+$", re.MULTILINE)
PATIENCE = 60.0


@dataclass
class SignIn:
    """What one user has, in one folder."""

    home: Path
    issuer: Issuer
    dovecot: DovecotOAuth
    certificates: Certificates
    user: str
    client: str = DESKTOP
    said: str = ""

    def entry(self, options: str, protocol: str = "IMAP", server: str = "", name: str = "") -> str:
        """Return an entry that fetches with a token."""
        ports = {"IMAP": self.dovecot.imaps_port, "POP3": self.dovecot.pop3s_port}
        return (
            f'poll "{name or protocol}" via localhost no dns protocol {protocol} '
            f"port {ports[protocol]} auth oauth {self.about} {server}\n"
            f'  user "{self.user}" ssl sslcertfile "{self.certificates.authority}" '
            f"is bob here {options}\n"
        )

    @property
    def about(self) -> str:
        """The options of OAuth."""
        return (
            f'oauthissuer "{self.issuer.url}" oauthclient "{self.client}" '
            "oauthscope openid offline_access mail"
        )

    def start(self, rc: str, *arguments: str) -> subprocess.Popen[str]:
        """Start the program; its output and errors come together."""
        path = self.home / "rc"
        path.write_text(rc)
        path.chmod(0o600)
        known = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-m", "mailhaul", *arguments, "-f", str(path)],
            cwd=self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={
                **known,
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.home),
                "FETCHMAILHOME": str(self.home),
                "LC_ALL": "C",
                **trusting(self.certificates),
            },
        )

    def run(self, rc: str, *arguments: str) -> tuple[int, str]:
        """Run the program to its end; return its code and what it printed."""
        return self.end(self.start(rc, *arguments))

    def end(self, program: subprocess.Popen[str], typed: str | None = None) -> tuple[int, str]:
        """Wait for the end of a program, after typing something."""
        try:
            out, _ = program.communicate(typed, timeout=PATIENCE)
        finally:
            program.kill()
            program.wait()
        self.said += out
        assert "Traceback" not in out
        return program.returncode, out

    def read_until(self, program: subprocess.Popen[str], wanted: re.Pattern[str]) -> str:
        """Read what a program prints up to a line; return what was looked for in it."""
        assert program.stdout
        while line := program.stdout.readline():
            self.said += line
            if found := wanted.search(line.strip()):
                return found[found.re.groups]
        raise AssertionError(self.said)

    def log_in(
        self, rc: str, *arguments: str, browse: Callable[[str], object] | None = None
    ) -> None:
        """Sign in by a code that comes back to the program itself."""
        program = self.start(rc, "login", self.user, *arguments)
        address = self.read_until(program, ADDRESS)
        # The redirect to the program is plain HTTP.
        (browse or self.browse)(address)
        code, out = self.end(program)
        assert code == 0, out

    def browse(self, address: str) -> None:
        """Give consent in a browser, which goes on to the program."""
        import urllib.request

        urllib.request.urlopen(self.consented(address), timeout=15).close()

    def consented(self, address: str) -> str:
        """Give consent; return the address that the browser ends at."""
        web = WebUser(self.certificates.authority)
        return web.sign_in(address, self.user, self.issuer.password).url

    def token_files(self) -> list[Path]:
        """Return the files with tokens."""
        return [path for path in self.home.rglob("*.json") if path.parent.name == "tokens"]

    def stop(self, program: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
        """End a program by a signal."""
        program.send_signal(number)
        self.end(program)
