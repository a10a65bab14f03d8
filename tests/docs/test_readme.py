"""The first recipe of the README, pasted into a shell, fetches mail and keeps it."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import trustme

from tests.apps.bad.running import script
from tests.apps.bad.scripted_imap import ScriptedImap, message

ROOT = Path(__file__).parents[2]


def blocks(section: str) -> list[str]:
    """Return the indented blocks of a section of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?:^    .*\n(?:\n(?=    ))?)+", text, re.M)
    return [textwrap.dedent(block) for block in found]


def test_the_first_recipe_runs_as_it_is_pasted(tmp_path: Path) -> None:
    [init, recipe] = blocks("Your first mail")
    assert init == "mailhaul init\n"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    programs = tmp_path / "bin"
    programs.mkdir()
    script(programs / "mailhaul", f'exec {sys.executable} -m mailhaul "$@"')
    with ScriptedImap(message(1), message(2), tls=context, wrapped=True) as server:
        # The name of the server is the only thing that is not as on the page.
        pasted = recipe.replace("imap.example.net", f"localhost port {server.port}")
        assert pasted != recipe
        done = subprocess.run(
            ["sh"],
            input=pasted,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={
                "PATH": f"{programs}:{os.defpath}",
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT),
                "SSL_CERT_FILE": str(tmp_path / "authority.pem"),
            },
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "2 messages for joe at localhost" in done.stdout
        assert {*server.mailbox} == {1, 2}
        assert server.flags == {1: {b"\\Seen"}, 2: {b"\\Seen"}}
    assert (tmp_path / ".fetchmailrc").stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == 2
