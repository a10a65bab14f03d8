"""A clean root: a base that debootstrap made once, and above it a layer for one use."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

CACHE = Path("/var/cache/mailhaul-tests/roots")
SUITES = ("bookworm", "trixie")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE = "/etc/authorities-of-the-host.crt"
"""The authorities of this machine, which may have one more than Debian has."""
PASSED_ON = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy", "no_proxy")
APT = 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n'
"""A machine whose packages are a snapshot has old lists."""
ENTER = """
set -e
mount -t overlay overlay -o lowerdir={base},upperdir={layer}/upper,workdir={layer}/work {merged}
mount -t proc proc {merged}/proc
mount --rbind /dev {merged}/dev
mount -t tmpfs tmpfs {merged}/run
exec chroot {merged} /bin/sh -c {command}
"""
"""Runs in a mount namespace of its own, so that nothing has to be unmounted."""


class RootFailed(Exception):
    """A root cannot be made, or a command in it has failed."""


def mirror() -> str:
    """Return where this machine gets its packages from."""
    sites = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    plain = [site for site in sites if "security" not in site]
    if not plain:
        raise RootFailed("apt-get knows no source of packages")
    return plain[0]


def base(suite: str, packages: Sequence[str] = ()) -> Path:
    """Return a base with these packages; make it if there is none. Takes some minutes then."""
    name = "-".join([suite, *packages]).replace("/", "_")[:200]
    path = CACHE / name
    if path.exists():
        return path
    if not shutil.which("debootstrap"):
        raise RootFailed("debootstrap is not installed: apt-get install debootstrap")
    fresh = path.with_name(f"{name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    words = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}"]
    if packages:
        words.append(f"--include={','.join(packages)}")
    done = subprocess.run([*words, suite, fresh, mirror()], check=False, capture_output=True)
    if done.returncode:
        raise RootFailed(done.stdout.decode(errors="replace")[-2000:])
    (fresh / "etc/apt/apt.conf.d/99old-lists").write_text(APT)
    (fresh / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (fresh / "usr/sbin/policy-rc.d").chmod(0o755)
    fresh.rename(path)
    return path


class Root:
    """A root for one use. What commands change in it is gone at the end of the ``with`` block."""

    def __init__(self, suite: str, packages: Sequence[str] = ()) -> None:
        self._base = base(suite, packages)
        self._layer = Path(tempfile.mkdtemp(prefix="root-", dir=CACHE))
        for name in ("upper", "work", "merged"):
            (self._layer / name).mkdir(mode=0o755)
        self.upper = self._layer / "upper"
        """What differs from the base; files may be added here between commands."""
        self._add_what_leads_outside()

    def _add_what_leads_outside(self) -> None:
        etc = self.upper / "etc"
        etc.mkdir(mode=0o755)
        for name in ("resolv.conf", "hosts", "pip.conf"):
            if (found := Path("/etc") / name).exists():
                shutil.copyfile(found, etc / name)
        if AUTHORITIES.exists():
            shutil.copyfile(AUTHORITIES, self.upper / INSIDE.lstrip("/"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._layer, ignore_errors=True)

    def run(
        self,
        command: str,
        *,
        seconds: float = 600.0,
        check: bool = True,
        shown: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run a shell command in the root as root; return what it printed. Raises RootFailed."""
        inside = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            **(environment or {}),
        }
        if (self.upper / INSIDE.lstrip("/")).exists():
            names = ("PIP_CERT", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
            inside = {**dict.fromkeys(names, INSIDE), **inside}
        words = ["env", "-i", *(f"{name}={value}" for name, value in inside.items())]
        script = ENTER.format(
            base=self._base,
            layer=self._layer,
            merged=self._layer / "merged",
            command=shlex.quote(f"exec {shlex.join(words)} /bin/sh -c {shlex.quote(command)}"),
        )
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            check=False,
            timeout=seconds,
        )
        text = (done.stdout or b"").decode(errors="replace")
        if check and done.returncode:
            raise RootFailed(f"{command}: exit code {done.returncode}\n{text[-4000:]}")
        return text

    def add(self, source: Path, target: str) -> None:
        """Copy a file or a folder into the root; a folder's links stay links."""
        path = self.upper / target.lstrip("/")
        for parent in reversed(path.relative_to(self.upper).parents):
            (self.upper / parent).mkdir(mode=0o755, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, path)
