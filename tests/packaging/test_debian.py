"""The Debian packages: their parts fit together; with MAILHAUL_SOAK they are built and tried."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mailhaul
from tests.roots.steps import CONTAINERFILE, stages

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "debian"
SOAK = bool(os.environ.get("MAILHAUL_SOAK"))


def test_the_version_is_that_of_the_program() -> None:
    first = (DEBIAN / "changelog").read_text().splitlines()[0]
    assert first.startswith(f"mailhaul ({mailhaul.__version__}) ")


def test_all_that_the_rules_install_exists() -> None:
    rules = (DEBIAN / "rules").read_text().replace("$(UNITS)", "contrib/systemd")
    found = re.findall(r"(?<=\s)((?:contrib|docs|debian/launcher)[\w/@.-]*)", rules)
    assert len(found) >= 9
    for name in found:
        assert (ROOT / name).exists(), name
    assert os.access(DEBIAN / "rules", os.X_OK)


def test_the_launcher_uses_nothing_of_the_user() -> None:
    text = (DEBIAN / "launcher").read_text()
    assert text.startswith("#!/usr/bin/python3 -I\n")
    compile(text, "launcher", "exec")


@pytest.mark.parametrize("name", ["mailhaul.postinst", "mailhaul.prerm", "mailhaul.postrm"])
def test_the_scripts_of_the_maintainer_are_shell(name: str) -> None:
    subprocess.run(["sh", "-n", DEBIAN / name], check=True)


def test_the_package_for_fetchmail_replaces_it() -> None:
    _, _, second = (DEBIAN / "control").read_text().split("\n\n", 2)
    for field in ("Provides", "Conflicts", "Replaces"):
        assert f"\n{field}: fetchmail\n" in second


def test_the_container_is_made_of_what_exists() -> None:
    build, final = stages()
    for word, rest in (*build, *final):
        source = rest.split()[0]
        if word == "COPY" and not source.startswith("--from"):
            assert (ROOT / source).exists(), source
    image = dict(final)
    assert {"VOLUME", "USER", "HEALTHCHECK", "ENTRYPOINT"} <= image.keys()
    assert image["USER"] != "root"
    # No password is part of an image.
    assert "password" not in "".join(rest for _, rest in final)
    assert CONTAINERFILE.name == "Containerfile"


@pytest.mark.skipif(not SOAK, reason="minutes, and packages from elsewhere")
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("step", ["deb", "install", "container"])
def test_in_a_clean_root(step: str, suite: str) -> None:
    subprocess.run([sys.executable, "-m", "tests.roots", step, suite], cwd=ROOT, check=True)
