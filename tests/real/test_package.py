"""What is shipped works: sources, sdist, wheel of it, clean environment, poll.

Nothing is installed for the build: its backend is in the environment of the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.apps.bad.running import account
from tests.apps.bad.scripted_imap import ScriptedImap, message

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
SHIPPED = (".py", ".css", ".js", ".json", "py.typed")
"""The ends of the names of files that are part of the package."""
BUILD = (sys.executable, "-m", "build", "--no-isolation")
PATIENCE = 120.0
"""Seconds for each step; all of them take about ten."""
DATA = {
    "share/man/man1/mailhaul.1",
    "share/bash-completion/completions/mailhaul",
    "share/zsh/site-functions/_mailhaul",
    "share/fish/vendor_completions.d/mailhaul.fish",
    "share/mailhaul/systemd/mailhaul.sysusers",
    "share/mailhaul/systemd/mailhaul.tmpfiles",
    "share/mailhaul/systemd/mailhaul.default",
    "share/mailhaul/systemd/user/mailhaul.service",
    "share/mailhaul/systemd/system/mailhaul.service",
    "share/mailhaul/systemd/system/mailhaul@.service",
}
"""What the wheel installs besides the package."""


def run(*words: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a program that knows nothing of this checkout, and fail if it does."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "FETCHMAIL"))}
    done = subprocess.run(
        list(words),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**clean, "HOME": str(home)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def ours(names: list[str]) -> set[str]:
    """Return the files of the package among the files of an archive."""
    found = {name[name.index("mailhaul/") :] for name in names if "mailhaul/" in name}
    return {name for name in found if name.endswith(SHIPPED)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("built")
    run(*BUILD, "--outdir", folder, ROOT, home=folder)
    return folder


def test_both_archives_hold_the_whole_package(built: Path) -> None:
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mailhaul").rglob("*")
        if path.name.endswith(SHIPPED)
    }
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        assert ours(["/".join(name.split("/")[1:]) for name in sdist.getnames()]) == here
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        assert ours(wheel.namelist()) == here


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(built: Path, tmp_path: Path) -> None:
    run(*BUILD, "--wheel", "--outdir", tmp_path, ROOT, home=tmp_path)
    [ours], [theirs] = tmp_path.glob("*.whl"), built.glob("*.whl")
    assert ours.read_bytes() == theirs.read_bytes()


def test_the_wheel_has_manual_completions_and_units(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = (name.partition(".data/data/")[2] for name in wheel.namelist())
        assert set(filter(None, names)) == DATA


def test_the_sdist_builds_everything_else(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {
        "Makefile",
        "debian/rules",
        "debian/control",
        "contrib/container/Containerfile",
    } <= names
    assert {"docs/completions.py", "docs/switching.md", "tests/roots/steps.py"} <= names


def test_the_installed_wheel_polls(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "env", home=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", next(built.glob("*.whl")), home=tmp_path)
    mailhaul = tmp_path / "env" / "bin" / "mailhaul"
    found = run(python, "-c", "import mailhaul; print(mailhaul.__file__)", home=tmp_path).stdout
    assert found.startswith(str(tmp_path))
    assert "mailhaul release" in run(mailhaul, "--version", home=tmp_path).stdout
    assert all((tmp_path / "env" / path).is_file() for path in DATA)
    rc = tmp_path / "rc"
    with ScriptedImap(message(1)) as server:
        rc.write_text(account(server.port, "mda 'cat >>arrived'"))
        rc.chmod(0o600)
        run(mailhaul, "-f", rc, home=tmp_path)
    assert (server.kept, len((tmp_path / "arrived").read_bytes()) > 0) == ([], True)
