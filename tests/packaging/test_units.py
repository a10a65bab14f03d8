"""systemd understands the units, and finds them strict enough."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "contrib" / "systemd"
UNITS = sorted(SYSTEMD.rglob("*.service"))
MOST_EXPOSED = {"system/mailhaul.service": 20, "system/mailhaul@.service": 35}
"""Tenths of the exposure that "systemd-analyze security" finds, of 100."""

analyzed = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="there is no systemd on this machine"
)


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a unit that starts a program of this machine."""
    path: Path = request.param
    name = path.name.replace("@.", "@root.")
    copy = tmp_path / name
    copy.write_text(path.read_text().replace("/usr/bin/mailhaul", "/bin/true"))
    return copy


def shown(path: Path) -> str:
    return str(path.relative_to(SYSTEMD))


@analyzed
@pytest.mark.parametrize("unit", UNITS, ids=shown, indirect=True)
def test_each_unit_is_understood(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert [line for line in done.stderr.splitlines() if unit.stem in line] == []


@analyzed
@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_the_units_of_the_machine_are_strict(name: str) -> None:
    most = MOST_EXPOSED[name]
    done = analyze("security", "--offline=true", f"--threshold={most}", SYSTEMD / name)
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.parametrize("path", UNITS, ids=shown)
def test_each_unit_can_be_reloaded_and_is_watched(path: Path) -> None:
    text = path.read_text()
    for line in ("Type=notify", "WatchdogSec=", "ExecReload=/bin/kill -HUP $MAINPID"):
        assert f"\n{line}" in text
    assert "--nodetach" in text
    assert "\nNoNewPrivileges=yes\n" in text
