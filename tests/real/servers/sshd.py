"""A private OpenSSH server whose keys open one program each, and clients that reach it.

``mykey`` opens a pre-authenticated imapd, ``myotherkey`` a ``sendmail -bs``, whatever command
is asked for; ``tunnel`` only forwards connections (``ssh -D``); ``stranger`` opens nothing. Every
host name given to the client means this server, so that a recipe may keep the name that its
author wrote.
"""

from __future__ import annotations

import getpass
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .process import free_ports, program, running, script

SSHD = "/usr/sbin/sshd"
SSH = "/usr/bin/ssh"
ALIAS = "centralserver.example.org"
KEYS = ("host", "mykey", "myotherkey", "tunnel", "stranger")

_SERVER_CONFIGURATION = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
PrintMotd no
PrintLastLog no
UseDNS no
MaxStartups 100
"""

_CLIENT_CONFIGURATION = """\
Host *
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias {alias}
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  IdentitiesOnly yes
  IdentityAgent none
"""

_FORCED_SCRIPT = """\
printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >>{asked}
exec {command}
"""


class Sshd:
    """Where a private sshd listens, and the words of ssh commands that reach it.

    Login names are real ones: ``user`` is the one who runs the tests.
    """

    def __init__(self, folder: Path, *, mykey: Sequence[str], myotherkey: Sequence[str]) -> None:
        """Make keys and configuration below ``folder``; the arguments are the keys' programs."""
        folder.mkdir()
        self.folder = folder
        self.user = getpass.getuser()
        (self.port,) = free_ports(1)
        self._asked = folder / "asked"
        for name in KEYS:
            _make_key(folder / name)
        self.mykey, self.myotherkey, self.tunnel, self.stranger = (
            folder / name for name in KEYS[1:]
        )
        self._authorize(self.mykey, mykey)
        self._authorize(self.myotherkey, myotherkey)
        self._authorize(self.tunnel, ["false"], "restrict,port-forwarding")
        (folder / "sshd_config").write_text(
            _SERVER_CONFIGURATION.format(folder=folder, port=self.port)
        )
        key_type, key = (folder / "host.pub").read_text().split()[:2]
        self._client = self._write_client("known", f"{ALIAS} {key_type} {key}\n")
        self._unknown_host_client = self._write_client("unknown", "")
        self.bin = folder / "bin"
        self.bin.mkdir()
        # What is said with -o before user@host wins over it.
        script(
            self.bin / "ssh",
            f'exec {program(SSH)} -F {self._client} -o User={self.user} "$@"\n',
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        # sshd's unprivileged half is locked into this folder, which the boot scripts make.
        Path("/run/sshd").mkdir(mode=0o755, parents=True, exist_ok=True)
        with running(
            [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")],
            output=self.folder / "log",
            ports=[self.port],
        ):
            yield

    @contextmanager
    def socks5(self) -> Iterator[int]:
        """Run a SOCKS5 proxy of OpenSSH until the block ends; yield its port."""
        (port,) = free_ports(1)
        words = [*self.command(self.tunnel).split(), "-N", "-D", f"127.0.0.1:{port}"]
        with running(words, output=self.folder / "socks5.log", ports=[port]):
            yield port

    def command(self, key: Path, alias: str = ALIAS) -> str:
        """Return the words that reach the server with ``key``; a plugin adds the command."""
        return f"ssh -F {self._client} -i {key} {self.user}@{alias}"

    def unknown_host_command(self, key: Path, alias: str = ALIAS) -> str:
        """Return the same for a client that has never seen the server's host key.

        It asks on the terminal whether to trust the server; without one it fails.
        """
        return f"ssh -F {self._unknown_host_client} -i {key} {self.user}@{alias}"

    def asked(self) -> list[str]:
        """Return the commands that clients asked for since clear(), oldest first."""
        return self._asked.read_text().splitlines() if self._asked.exists() else []

    def clear(self) -> None:
        """Forget what clients asked for."""
        self._asked.unlink(missing_ok=True)

    def log(self) -> str:
        """Return what the server wrote so far."""
        return (self.folder / "log").read_text(errors="replace")

    def _authorize(self, key: Path, argv: Sequence[str], rights: str = "restrict") -> None:
        forced = script(
            key.with_suffix(".command"),
            _FORCED_SCRIPT.format(asked=self._asked, command=shlex.join(argv)),
        )
        with (self.folder / "authorized_keys").open("a") as keys:
            keys.write(f'command="{forced}",{rights} {key.with_suffix(".pub").read_text()}')

    def _write_client(self, name: str, known_hosts: str) -> Path:
        known = self.folder / f"{name}.hosts"
        known.write_text(known_hosts)
        path = self.folder / f"{name}.conf"
        path.write_text(
            _CLIENT_CONFIGURATION.format(port=self.port, alias=ALIAS, known_hosts=known)
        )
        return path


def _make_key(path: Path) -> None:
    subprocess.run(
        [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
