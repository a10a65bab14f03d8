"""A new kind of sink needs only one file and one table row."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.mailboxes import Mailbox, Mailboxes

from ..real.servers.streaming import streaming

TOY = Path(__file__).with_name("toy_sink.py")


def toy(home: Path, rc: str, *words: str) -> subprocess.CompletedProcess[str]:
    path = home / "rc"
    path.write_text(rc)
    path.chmod(0o600)
    return subprocess.run(
        [sys.executable, str(TOY), "-f", str(path), *words],
        cwd=home,
        env={"PATH": os.defpath, "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_toy_sink_has_an_option_a_check_a_sentence_and_the_mail(tmp_path: Path) -> None:
    mailbox = Mailbox([b"Subject: one\r\n\r\ntext\r\n"])
    boxes = Mailboxes({b"INBOX": mailbox})
    with streaming(ImapServer, lambda c: serve_imap(c, boxes, {b"joe": b"sesame"})) as port:
        rc = (
            f"set invisible\npoll localhost no dns protocol IMAP port {port}\n"
            "  user joe password sesame is bob here sslproto '' toy Hello\n"
        )
        assert "  Messages will be greeted with Hello.\n" in toy(tmp_path, rc, "-V").stdout
        polled = toy(tmp_path, rc)
    assert (polled.returncode, polled.stderr) == (0, "")
    assert "Hello, bob@localhost: 22 octets\n" in polled.stdout
    assert mailbox.messages == []
    refused = toy(tmp_path, rc + "  mda cat\n")
    assert refused.returncode == 5
    assert '"toy" together with "mda"' in refused.stderr


def test_the_status_lines_name_the_toy(tmp_path: Path) -> None:
    dump = toy(tmp_path, "poll h protocol IMAP user u password p toy x\n", "--configdump=json")
    assert '"toy": "x"' in dump.stdout
