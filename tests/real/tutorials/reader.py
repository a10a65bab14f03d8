"""Somebody who follows a page from top to bottom, on a machine of their own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.walkthrough import Command, CronLine, File, agrees, steps

from ..servers.process import script

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs"
SHOWN_HOME = "/home/joe"
"""The home folder on the pages."""
PATIENCE = 60.0
NO_MAIL = 1

Played = Callable[[str], str]
"""Does what a command does, and returns what it prints."""


@dataclass
class Reader:
    """One reader. Names of hosts with a port lead to ports on this machine.

    ``replace`` is done in commands and files, and undone in what is printed. ``played`` are
    commands that a test carries out in another way, by the words they begin with. ``homes`` are
    the folders of other machines, by their prompts. Files are written with ``mode``.
    """

    home: Path
    places: Mapping[str, int] = field(default_factory=dict[str, int])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    replace: dict[str, str] = field(default_factory=dict[str, str])
    played: dict[str, Played] = field(default_factory=dict[str, Played])
    homes: dict[str, Path] = field(default_factory=dict[str, Path])
    mode: int = 0o644
    status: int = 0
    ran: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        """Give the reader an installed mailhaul."""
        self.bin = self.home / ".local" / "bin"
        self.bin.mkdir(parents=True)
        stand_in = Path(__file__).with_name("named.py")
        words = shlex.join([sys.executable, str(stand_in)])
        script(self.bin / "mailhaul", f'exec {words} "$0" "$@"\n')

    def follow(self, name: str) -> None:
        """Do all that a page says. Fails at the first step that does not do what is shown."""
        page = PAGES / name
        for step in steps(page):
            where = f"{name}:{step.line}"
            match step:
                case File(path=path, text=text, added=added):
                    self.write(path, text, added=added)
                case CronLine(text=text):
                    self._run("", text, where)
                case Command(machine=machine, text="echo $?", output=output):
                    assert output.strip() == str(self.status), where
                    self.status = 0
                case Command(machine=machine, text=text, output=output):
                    assert self.status in (0, NO_MAIL), f"{where}: status {self.status} before it"
                    printed = self._shown(self._run(machine, text, where))
                    assert agrees(output, printed), f"{where}: $ {text}\n{printed}"
        assert self.status in (0, NO_MAIL), self.status

    def write(self, path: str, text: str, *, added: bool = False) -> None:
        """Write a file, as a page says."""
        place = Path(self._meant(path.replace("~", str(self.home), 1)))
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a" if added else "w") as file:
            file.write(self._meant(text))
        place.chmod(0o755 if text.startswith("#!") else self.mode)

    def _run(self, machine: str, text: str, where: str) -> str:
        self.ran.append(text)
        for words, play in self.played.items():
            if text.startswith(words):
                self.status = 0
                return play(text)
        return self.execute(text, machine, where)

    def execute(self, text: str, machine: str = "", where: str = "") -> str:
        """Run a command, also one that is played; return what it prints."""
        with self.start(text, machine) as program:
            try:
                printed, _ = program.communicate(timeout=PATIENCE)
            finally:
                program.kill()
        self.status = program.returncode
        assert "Traceback" not in printed, where
        return printed

    def start(self, text: str, machine: str = "") -> subprocess.Popen[str]:
        """Start a command; its output and errors come together."""
        home = self.homes[machine] if machine else self.home
        return subprocess.Popen(
            ["/bin/sh", "-c", self._meant(text)],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={
                "PATH": f"{self.bin}:{os.defpath}",
                "HOME": str(home),
                "LC_ALL": "C.UTF-8",
                "PYTHONPATH": str(ROOT),
                "STAND_INS": json.dumps(dict(self.places)),
                **self.environment,
            },
        )

    def _meant(self, text: str) -> str:
        for shown, meant in self.replace.items():
            text = text.replace(shown, meant)
        return text.replace(SHOWN_HOME, str(self.home))

    def _shown(self, text: str) -> str:
        for shown, meant in self.replace.items():
            if meant:
                text = text.replace(meant, shown)
        return text.replace(str(self.home), SHOWN_HOME)
