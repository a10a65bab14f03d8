"""One run of a suite against a real server, by the command that users have."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mailhaul
from tests.real.servers.process import ServerFailed

SEED = 5321
"""Of the order of the cases, so that two runs differ as little as they can."""
MOST_SECONDS = 300
"""For a run. A server that is slower, or at a standstill, has cases that are not run."""
HOME = Path(mailhaul.__file__).parent.parent
PASSWORD = "correct-horse"
USERS = ("joe", "ann")
DOMAIN = "example.org"


@dataclass(frozen=True)
class Trial:
    """A target and the suite for it.

    ``name`` is that of the file with the results, and ``label`` that of the column in the page: the
    product with its version. ``words`` are the target and the options of the command.
    """

    name: str
    label: str
    suite: str
    words: Sequence[str]

    def run(self, result: Path, more: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run the suite; write the result as JSON."""
        argv = [
            *(sys.executable, "-m", "mailhaul", "conformance", self.suite, *self.words),
            *("--seed", str(SEED), "--name", self.label, "--json", str(result)),
            *("--run-timeout", str(MOST_SECONDS), *more),
        ]
        done = subprocess.run(argv, cwd=HOME, capture_output=True, text=True, check=False)
        if not result.exists():
            raise ServerFailed(f"{self.name}: no result; the command wrote:\n{done.stderr}")
        return done


def accounts(folder: Path, *users: str) -> list[str]:
    """Return the options that name the users, who all have the same password."""
    file = folder / "password"
    file.write_text(f"{PASSWORD}\n")
    first, second = users or USERS
    return [
        *("--user", first, "--password-file", str(file)),
        *("--user2", second, "--password-file2", str(file)),
    ]


def addresses(unknown: str = "nobody", *, domain: str = DOMAIN, sender: str = "eve") -> list[str]:
    """Return the options that name the sender, the recipients, and one that is refused."""
    found = ["--from", f"{sender}@{domain}"]
    for user in USERS:
        found += ["--to", f"{user}@{domain}"]
    return [*found, *(["--unknown-recipient", f"{unknown}@{domain}"] if unknown else [])]
