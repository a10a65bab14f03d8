"""Completions are made from the tables, and each shell completes with them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailhaul.apps.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "contrib" / "completions"
RC = "poll imap.example.org protocol imap user joe\nskip 'pop.example.net':\n"

pytestmark = pytest.mark.real


def run(home: Path, *words: str) -> str:
    (home / ".fetchmailrc").write_text(RC)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C", "TERM": "dumb"}
    done = subprocess.run(
        words, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def bash(home: Path, line: str) -> set[str]:
    """Return what bash offers at the end of a line."""
    words = line.replace("=", " = ").split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f"source '{FOLDER}/mailhaul.bash'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1};"
        ' _mailhaul; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(run(home, "bash", "--norc", "-c", script).split())


def fish(home: Path, line: str) -> set[str]:
    """Return what fish offers."""
    script = f"source {FOLDER}/mailhaul.fish; complete -C '{line}'"
    found = run(home, "fish", "--no-config", "-c", script)
    return {offer.partition("\t")[0] for offer in found.splitlines()}


ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
line() { zpty -w z "$1" }
line "PS1= PS2= HOME=$HOME; unsetopt zle_bracketed_paste beep"
line "fpath=($FOLDER $fpath); autoload -Uz compinit; compinit -D -u"
line "zstyle ':completion:*' list-grouped false; zstyle ':completion:*' verbose false"
line "LISTMAX=100000; COLUMNS=20; setopt list_rows_first no_list_packed no_always_last_prompt"
line "done_() { print END; BUFFER=; zle -R }; zle -N done_"
line "bindkey '^T' list-choices; bindkey '^Y' done_"
line "print READY"
zpty -r z seen '*READY*READY*'
for one in "${(f)LINES_}"; do
    zpty -w -n z "$one"$'\x14\x19'
    zpty -r z seen '*END*'
    print -r -- "${seen//[$'\r\n']/ }"
done
zpty -d z
"""
IN_ZSH: dict[str, set[str]] = {}
"""What zsh shows as choices for each line. It is started once, since that takes long."""


def zsh(home: Path, line: str) -> set[str]:
    """Return what zsh shows as choices, among other words."""
    if not IN_ZSH:
        lines = "\n".join(one for one, *_ in LINES)
        script = f"FOLDER='{FOLDER}' LINES_='{lines}'\n{ZSH}"
        found = run(home, "zsh", "-f", "-c", script).splitlines()
        IN_ZSH.update(
            (one, set(shown.split())) for (one, *_), shown in zip(LINES, found, strict=True)
        )
    return IN_ZSH[line]


LINES = [
    ("mailhaul --ke", {"--keep"}, {"--idle", "ledger"}),
    ("mailhaul led", {"ledger"}, {"login"}),
    ("mailhaul ledger ", {"list", "rename", "forget"}, {"retry"}),
    ("mailhaul import --", {"--dry-run", "--help"}, {"--keep"}),
    ("mailhaul imap", {"imap.example.org"}, {"pop.example.net"}),
    ("mailhaul poll pop", {"pop.example.net"}, {"imap.example.org"}),
    ("mailhaul --auth cram", {"cram-md5"}, {"kerberos4"}),
]
"""A line, what is offered at its end, and what is not."""
SHELLS = pytest.mark.parametrize("offers", [bash, fish, zsh], ids=["bash", "fish", "zsh"])


@SHELLS
@pytest.mark.parametrize(("line", "offered", "others"), LINES)
def test_a_shell_completes(
    line: str,
    offered: set[str],
    others: set[str],
    offers: Callable[[Path, str], set[str]],
    tmp_path: Path,
) -> None:
    found = offers(tmp_path, line)
    assert offered <= found, found
    assert not others & found


def test_bash_completes_values_after_an_equals_sign(tmp_path: Path) -> None:
    assert bash(tmp_path, "mailhaul --protocol=im") == {"imap"}
    assert {one.name for one in COMMANDS} <= bash(tmp_path, "mailhaul ")


def test_the_files_match_the_tables() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "completions.py"), "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
