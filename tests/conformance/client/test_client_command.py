"""``conformance client`` and ``conformance serve`` as programs, with a client that is a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from poplib import POP3
from xml.etree import ElementTree

import pytest

from mailhaul.apps.conformance import client, listing, serve
from mailhaul.apps.polls.lines import Lines
from mailhaul.conformance.faults import WrongUse

ROOT = Path(__file__).parents[3]
FETCHER = """
import sys
from poplib import POP3
server = POP3(sys.argv[1], int(sys.argv[2]))
server.user(sys.argv[3])
server.pass_(sys.argv[4])
for number in range(1, server.stat()[0] + 1):
    sys.stdout.buffer.write(b"\\n".join(server.retr(number)[1]) + b"\\n")
server.quit()
"""


@pytest.fixture
def fetcher(tmp_path: Path) -> list[str]:
    """A client of a few lines, as a command."""
    path = tmp_path / "fetcher.py"
    path.write_text(FETCHER)
    return [sys.executable, str(path), "{host}", "{port}", "{user}", "{password}"]


def test_any_command_can_be_judged(
    fetcher: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = ["--json", str(tmp_path / "run.json"), "--junit", str(tmp_path / "run.xml")]
    words = ["client/pop3/2", "client/pop3/8", "client/imap/1", "--protocol", "pop3", *reports]
    code = client.run("client", [*words, "--", *fetcher], Lines(1))
    out = capsys.readouterr().out
    assert code == 0, out
    document = json.loads((tmp_path / "run.json").read_text())
    verdicts = {result["id"]: result["verdict"] for result in document["results"]}
    assert verdicts == {
        "client/pop3/2": "pass",
        "client/pop3/8": "pass",
        "client/imap/1": "skip",
    }
    assert ElementTree.parse(tmp_path / "run.xml").getroot().tag == "testsuites"
    (dots,) = (one for one in document["results"] if one["id"] == "client/pop3/2")
    assert any(entry["who"] == "C" and "RETR 1" in entry["text"] for entry in dots["transcript"])
    assert "open-sesame" not in json.dumps(document)


def test_a_client_that_cannot_work_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["client/pop3/2", "--protocol", "pop3", "--", "false"]
    assert client.run("client", words, Lines(1)) == 3
    assert "does not work with faultless servers" in capsys.readouterr().out


def test_a_client_that_hangs_is_killed_with_its_children(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = tmp_path / "pid"
    hangs = ["sh", "-c", f"sleep 600 & echo $! > {pid}; wait"]
    words = ["client/pop3/2", "--protocol", "pop3", "--timeout", "0.5", "--", *hangs]
    assert client.run("client", words, Lines(1)) == 3
    assert "it did not end" in capsys.readouterr().out
    assert (
        not Path(f"/proc/{pid.read_text().strip()}/cmdline").exists()
        or not Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes()
    )


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "--template"),
        (["--template", "nothing"], "no template 'nothing'"),
        (["--", "true"], "--protocol"),
        (["--template", "fetchmail", "--deliver", "maildir"], "no words"),
        (["--template", "fetchmail", "client/nothing"], "no case"),
    ],
)
def test_wrong_use_is_explained(words: list[str], problem: str) -> None:
    with pytest.raises(WrongUse, match=problem):
        client.run("client", words, Lines(1))


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert listing.run("list", ["--faults"], Lines(1)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 60
    assert any("smtp,lmtp" in line and "RFC 5321" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "no address"),
        (["--pop3", "x"], "is no address"),
        (["--pop3", "127.0.0.1:0", "--fault", "nothing"], "no server here has it"),
        (["--pop3", "127.0.0.1:0", "--message", "/nothing"], "No such file"),
        (["--pop3", "192.0.2.1:1"], "--pop3 192.0.2.1:1"),
    ],
)
def test_wrong_use_of_serve_is_explained(words: list[str], problem: str) -> None:
    with pytest.raises(WrongUse, match=problem):
        serve.run("serve", words, Lines(1))


def test_servers_run_until_a_signal_comes() -> None:
    code = (
        "import sys; from mailhaul.apps.conformance.serve import run; "
        "from mailhaul.apps.polls.lines import Lines; "
        "sys.exit(run('serve', sys.argv[1:], Lines(1)))"
    )
    words = ["--pop3", "127.0.0.1:0", "--smtp", "127.0.0.1:0", "--password", "x"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process:
        places = dict(process.stdout.readline().split() for _ in range(2))
        server = POP3("127.0.0.1", int(places["pop3"].rpartition(":")[2]))
        server.user("joe+high-count")
        server.pass_("x")
        assert server.stat() == (99, 12345)
        server.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
