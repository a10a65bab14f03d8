"""What is done in clean roots: build and install the packages, follow the Containerfile."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path

from .root import Root, RootFailed

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
BUILD_TOOLS = ("build-essential", "debhelper", "python3-pip", "ca-certificates")
PROJECT_TOOLS = ("git", "make", "python3", "python3-venv", "ca-certificates")
CONTAINERFILE = ROOT / "contrib" / "container" / "Containerfile"
DEMO = """
import sys
sys.path.insert(0, '/usr/lib/mailhaul')
from mailhaul.apps.demo.main import main
sys.exit(main())
"""
"""Polls the demo's own servers with the installed program."""
INSTALL = "apt-get -q -y install --no-install-recommends"
AS_SERVICE = "runuser -u mailhaul -- env FETCHMAILHOME=/var/lib/mailhaul"


def clone(folder: Path) -> Path:
    """Make a clone of this repository as it is committed, without its history; return its path."""
    target = folder / "mailhaul"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", target], check=True
    )
    return target


def build_packages(suite: str) -> list[Path]:
    """Build the Debian packages of what is committed; return their paths in ``dist``."""
    with Root(suite, BUILD_TOOLS) as root, tempfile.TemporaryDirectory() as folder:
        root.add(clone(Path(folder)), "/build/mailhaul")
        root.run("cd /build/mailhaul && dpkg-buildpackage -us -uc -b")
        found = sorted((root.upper / "build").glob("*.deb"))
        if len(found) != 2:
            raise RootFailed(f"two packages were expected, and {len(found)} were built")
        DIST.mkdir(exist_ok=True)
        made = [DIST / f"{path.stem}~{suite}.deb" for path in found]
        for source, target in zip(found, made, strict=True):
            target.write_bytes(source.read_bytes())
    return made


def install_packages(suite: str, packages: list[Path]) -> None:
    """Install the packages in a clean root, use them, and remove them. Raises RootFailed."""
    with Root(suite) as root:
        for path in packages:
            root.add(path, f"/packages/{path.name.partition('_')[0]}.deb")
        root.run(f"apt-get -q update && {INSTALL} /packages/mailhaul.deb")
        expect(root.run("mailhaul --version"), r"This is mailhaul release \d")
        expect(root.run(f'python3 -I -c "{DEMO}"'), r"The SMTP server took (\d+) of \1 messages")
        root.run(" && ".join(f"test -e {path}" for path in INSTALLED))
        expect(root.run("stat -c %U:%a /var/lib/mailhaul"), "mailhaul:700")
        expect(root.run("dpkg --verify mailhaul; dpkg --audit"), "^$")
        expect(root.run(f"{AS_SERVICE} mailhaul ledger", check=False), "no accounts")
        # The package fetchmail goes, and mailhaul takes its place.
        root.run(f"{INSTALL} fetchmail")
        expect(root.run("fetchmail -V", check=False), r"This is fetchmail release [\d.]+\+")
        root.run(f"{INSTALL} /packages/mailhaul-as-fetchmail.deb")
        expect(root.run("fetchmail -V"), r"This is fetchmail release 6\.4\.\d+\S* \(mailhaul ")
        expect(root.run("dpkg -s fetchmail", check=False), "deinstall|not installed")
        root.run("apt-get -q -y purge mailhaul-as-fetchmail mailhaul")
        root.run("! test -e /usr/lib/mailhaul && ! test -e /usr/bin/mailhaul")
        root.run("test -d /var/lib/mailhaul")


INSTALLED = (
    "/usr/share/man/man1/mailhaul.1.gz",
    "/usr/share/bash-completion/completions/mailhaul",
    "/usr/share/zsh/vendor-completions/_mailhaul",
    "/usr/share/fish/vendor_completions.d/mailhaul.fish",
    "/usr/lib/tmpfiles.d/mailhaul.conf",
    "/usr/lib/systemd/user/mailhaul.service",
    "/usr/lib/systemd/system/mailhaul.service",
    "/usr/lib/systemd/system/mailhaul@.service",
    "/etc/default/mailhaul",
    "/usr/share/doc/mailhaul/copyright",
)
"""Some of what must be there; Debian 12 may have units in /lib, which is a link."""


def expect(text: str, pattern: str) -> None:
    """Raise RootFailed unless a pattern is in a text."""
    if not re.search(pattern, text, re.MULTILINE):
        raise RootFailed(f"{pattern!r} is not in:\n{text[-4000:]}")


def run_project(suite: str, command: str) -> None:
    """Run a command in a fresh clone of this repository, in a clean root. Raises RootFailed."""
    with Root(suite, PROJECT_TOOLS) as root, tempfile.TemporaryDirectory() as folder:
        root.add(clone(Path(folder)), "/src/mailhaul")
        root.run("apt-get -q update", seconds=300)
        root.run(f"cd /src/mailhaul && {command}", seconds=4 * 3600, shown=True)


# The container


def stages() -> list[list[tuple[str, str]]]:
    """Return the instructions of the Containerfile, by stage."""
    found: list[list[tuple[str, str]]] = []
    for line in CONTAINERFILE.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        if word and word != "#":
            found[-1].append((word, rest))
    return found


def follow_containerfile(suite: str) -> None:
    """Do in clean roots what the Containerfile says, and use the result. Raises RootFailed."""
    build, final = stages()
    with Root(suite) as first, Root(suite) as last, tempfile.TemporaryDirectory() as folder:
        source = clone(Path(folder))
        for word, rest in build:
            if word == "COPY":
                first.add(source, rest.split()[1])
            elif word == "RUN":
                first.run(rest)
        for word, rest in final:
            words = rest.split()
            if word == "COPY" and words[0] == "--from=build":
                last.add(first.upper / words[1].lstrip("/"), words[2])
            elif word == "COPY":
                last.add(source / words[0], words[1])
            elif word == "RUN":
                last.run(rest)
        use_container(last, dict(final))


def use_container(root: Root, image: dict[str, str]) -> None:
    """Start the entry point as the container's user, with a small rc file; ask for its health."""
    entry: list[str] = json.loads(image["ENTRYPOINT"])
    health: list[str] = json.loads(image["HEALTHCHECK"].partition("CMD ")[2])
    environment = dict(setting.split("=") for setting in image["ENV"].split())
    as_user = f"setpriv --reuid={image['USER']} --regid={image['USER']} --init-groups"
    (root.upper / "config").mkdir(exist_ok=True)
    (root.upper / "config/mailhaulrc").write_text(
        "set daemon 60\npoll 127.0.0.1 port 9 protocol imap user you password x sslproto ''\n"
    )
    script = (
        f"chown {image['USER']} /config/mailhaulrc && chmod 600 /config/mailhaulrc\n"
        f"! {as_user} {health[0]} || exit 90\n"
        f"{as_user} {' '.join(entry)} & daemon=$!\n"
        f"for n in 1 2 3 4 5 6 7 8 9 10; do sleep 1; {as_user} {health[0]} && break; done\n"
        f"{as_user} {health[0]} || exit 91\n"
        "test -e /state/mailhaul/ledger.db || exit 92\n"
        "kill $daemon; wait $daemon\n"
    )
    root.run(script, environment=environment)
