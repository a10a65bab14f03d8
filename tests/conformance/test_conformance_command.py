"""The command line: a whole run against our server, its exit codes, and its errors in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mailhaul.apps.cli.commands import COMMANDS as ALL_COMMANDS
from mailhaul.apps.conformance.main import COMMANDS, conformance
from mailhaul.apps.polls.lines import Lines
from mailhaul.conformance.report.json import read_run
from mailhaul.conformance.suites import MODULES, load_suite
from mailhaul.servers.pop3 import Misbehaviour

from .interposed import Answer, Change
from .loopback import Authority, MaildirWorld, pop3_on_loopback
from .pop3_server import JOE, Mutant, said

ROOT = Path(__file__).parents[2]
DELE_TWICE = said(Answer(rb"DELE 1", b"+OK again\r\n", after=1))
CASES = ("pop3/dele", "pop3/stat/1")


@dataclass
class Bench:
    """Starts our POP3 server and the command."""

    folder: Path
    authority: Authority
    capsys: pytest.CaptureFixture[str]

    def options(self) -> list[str]:
        """Return the user and the way to the mail."""
        (self.folder / "pw").write_bytes(JOE.password + b"\n")
        user = ["--user", JOE.name.decode(), "--password-file", str(self.folder / "pw")]
        return [*user, "--mail", f"maildir:{self.folder}/mail"]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run the command; return its exit code, its output and its errors."""
        code = conformance(words, Lines(1))
        output = self.capsys.readouterr()
        return code, output.out, output.err

    def pop3(
        self, *words: str, mutant: Mutant | None = None, place: str = "localhost:{}"
    ) -> tuple[int, str, str]:
        """Run some POP3 cases against our server, or a mutant of it."""
        world = MaildirWorld(mutant or Mutant(), self.folder / "mail")
        tls = place.startswith("tls:")
        with pop3_on_loopback(world, self.authority, mutant, tls=tls) as port:
            return self.run("pop3", place.format(port), *CASES, *self.options(), *words)


@pytest.fixture
def bench(tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(tmp_path, authority, capsys)


def test_our_server_passes(bench: Bench) -> None:
    code, out, err = bench.pop3()
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    first, second, *rest = out.splitlines()
    assert first.startswith("pop3 server localhost:")
    assert "seed" in first
    assert second.startswith("greeting: +OK")
    assert "  pass   pop3/stat/1  STAT gives the number of messages" in "\n".join(rest)
    assert rest[-1].startswith("no failures (")


def test_a_failure_is_shown_and_changes_the_exit_code(bench: Bench) -> None:
    code, out, err = bench.pop3("--in-order", mutant=DELE_TWICE)
    assert (code, err) == (1, "")
    assert "cases, in order" in out
    failure = out.partition("Failures, warnings and errors")[2]
    assert "1) FAIL  pop3/dele/1  (MUST, RFC 1939, section 5)" in failure
    assert "   got:         +OK again" in failure
    assert "C: DELE 1" in failure
    assert "PASS ***" in failure
    assert JOE.password.decode() not in out


def test_all_reports_are_written(bench: Bench) -> None:
    json_file, junit_file = bench.folder / "run.json", bench.folder / "run.xml"
    reports = ("--json", str(json_file), "--junit", str(junit_file), "--tap")
    code, out, _ = bench.pop3(*reports, "--seed", "7", "--name", "mutant", mutant=DELE_TWICE)
    assert code == 1
    assert out.startswith("TAP version 14\n1..3\n# pop3 server mutant, seed 7\n")
    found = read_run(str(json_file))
    assert (found["name"], found["seed"], found["exit_code"]) == ("mutant", 7, 1)
    assert found["target"].startswith("localhost:")
    assert "PIPELINING" in found["capabilities"]
    assert ElementTree.parse(junit_file).getroot().get("failures") == "1"
    page = bench.folder / "page.html"
    code, out, _ = bench.run("matrix", str(json_file), "-o", str(page))
    assert (code, out) == (0, f"mailhaul: {page} is written\n")
    assert "pop3/dele/1" in page.read_text()


def test_a_known_failure_is_no_failure(bench: Bench) -> None:
    known = bench.folder / "known.txt"
    known.write_text("pop3/dele/1 fail since version 3\npop3/dele/2 fail renumbers\n")
    expect = ("--expect", str(known))
    code, out, _ = bench.pop3(*expect, mutant=DELE_TWICE)
    assert code == 0
    assert "(expected: since version 3)" in out
    assert f"pop3/dele/2 passes, and {known}:2 expects fail: remove the line" in out
    assert bench.pop3(*expect, "--strict", mutant=DELE_TWICE)[0] == 1


def test_cases_are_chosen(bench: Bench) -> None:
    _, out, _ = bench.pop3("--exclude", "pop3/dele/2", "--level", "must", "--rfc", "1939")
    assert "2 cases" in out
    assert "pop3/dele/2" not in out


def test_tls_with_a_certificate_that_is_trusted(bench: Bench) -> None:
    place = "tls://localhost:{}"
    assert bench.pop3("--ca", str(bench.authority.file), place=place)[0] == 0
    assert bench.pop3("--no-verify", place=place)[0] == 0
    code, out, err = bench.pop3(place=place)
    assert (code, out) == (3, "")
    assert err.count("\n") == 1
    assert "give its CA with --ca FILE, or add --no-verify" in err
    assert "sslcert" not in err


def test_every_session_may_begin_with_starttls(bench: Bench) -> None:
    place = "starttls://localhost:{}"
    code, out, _ = bench.pop3("--ca", str(bench.authority.file), place=place, mutant=DELE_TWICE)
    assert code == 1
    assert "TLS started" in out


def test_tls_where_there_is_none(bench: Bench) -> None:
    world = MaildirWorld(Mutant(), bench.folder / "mail")
    plain = Mutant(options={"misbehaviour": Misbehaviour(without={b"STLS"})})
    with pop3_on_loopback(world, bench.authority, plain) as port:
        for scheme, advice in (("tls", "starttls://, or"), ("starttls", "without starttls://")):
            code, _, err = bench.run("pop3", f"{scheme}://localhost:{port}")
            assert (code, err.count("\n")) == (3, 1)
            assert advice in err


def test_a_server_that_is_not_there(bench: Bench) -> None:
    code, out, err = bench.run("pop3", "localhost:1")
    assert (code, out) == (3, "")
    assert err.startswith("mailhaul: conformance: localhost:1 cannot be tested: cannot connect")
    assert err.count("\n") == 1


def test_a_set_up_that_fails_is_not_the_fault_of_the_server(bench: Bench) -> None:
    code, out, _ = bench.pop3("--mail", f"maildir:{bench.folder}/no/such/mail")
    assert code == 3
    assert "ERROR  pop3/dele/1" in out
    assert "No such file or directory" in out
    assert "FAIL" not in out


def test_a_fault_of_the_harness_has_its_own_code(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("mailhaul.conformance.pop3.session.Pop3Session.positive", broken)
    code, out, _ = bench.pop3()
    assert code == 4
    assert "internal error in a_message_is_deleted_once: KeyError('x')" in out
    monkeypatch.setattr("mailhaul.apps.conformance.server.make_target", broken)
    code, out, err = bench.pop3()
    assert (code, out) == (4, "")
    assert "internal error, please report it: KeyError at " in err


def test_without_a_user_or_mail_cases_are_skipped(bench: Bench) -> None:
    world = MaildirWorld(Mutant(), bench.folder / "mail")
    with pop3_on_loopback(world, bench.authority) as port:
        code, out, _ = bench.run("pop3", f"localhost:{port}", *CASES)
    assert code == 0
    assert "3 skipped: needs another way to the mail (--mail)" in out


ECHO = """
import sys
print("+OK", flush=True)
for line in sys.stdin.buffer:
    print("-ERR" if b"CAPA" in line else "+OK", flush=True)
"""


def test_a_program_may_be_the_server(bench: Bench) -> None:
    (bench.folder / "server.py").write_text(ECHO)
    command = f"{sys.executable} '{bench.folder}/server.py'"
    code, out, _ = bench.run("pop3", "--command", command, "pop3/stat/1")
    assert code == 0
    assert "greeting: +OK" in out
    assert "1 skipped: needs another way to the mail (--mail)" in out


WRONG = {
    "": "give one of imap, pop3",
    "pop": 'did you mean "pop3"?',
    "html": 'see "mailhaul conformance --help"',
    "pop3": "no target",
    "pop3 pop3/dele": "give it before pop3/dele",
    "pop3 localhost pop3/del/1": "did you mean pop3/dele/1?",
    "pop3 localhost xyz": '"mailhaul conformance list" shows all',
    "pop3 localhost --exclude x": "there is no case x",
    "pop3 localhost --exclude pop3": "no case fits",
    "pop3 localhost --rfc x": '"x" is no number above 0',
    "pop3 localhost --level never": "give must, should or may",
    "pop3 localhost --timeout 0": '"0" is no number of seconds',
    "pop3 localhost --jobs -1": "--jobs",
    "pop3 localhost --stric": "unrecognized arguments: --stric",
    "pop3 localhost --user": "expected one argument",
    "pop3 localhost --user joe": "add --password-file",
    "pop3 localhost --expect /nowhere": "No such file",
    "pop3 localhost --json /no/such/folder/x": "create it first",
    "pop3 localhost --junit /": "it is a folder",
    "pop3 localhost --to joe@example.org": "unrecognized arguments",
    "list x": "there is no case x",
    "matrix -o x": "no result",
    "matrix x": "add -o FILE.html",
    "matrix /nowhere -o /tmp/wt-c-run-x.html": "No such file",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_use_is_one_line_with_the_next_step(words: str, bench: Bench) -> None:
    code, out, err = bench.run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith("mailhaul: conformance: ")
    assert WRONG[words] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("word", [*COMMANDS])
def test_every_program_has_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        conformance([word, "--help"], Lines(1))
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: mailhaul conformance {word} ")
    assert max(map(len, out.splitlines())) <= 100


def test_help_names_every_program() -> None:
    (command,) = (one for one in ALL_COMMANDS if one.name == "conformance")
    assert all(word in command.usage for word in COMMANDS)


def test_the_list_shows_all_cases(bench: Bench) -> None:
    code, out, _ = bench.run("list")
    assert code == 0
    ids = [case for name in MODULES for case in load_suite(name).cases]
    assert [line.split()[0] for line in out.splitlines()] == ids
    assert "pop3/dele/1 " in out
    assert "MUST*" in out
    code, out, _ = bench.run("list", "pop3/dele", "--json", "--level", "must", "--rfc", "1939")
    listed = json.loads(out)
    assert [case["id"] for case in listed][:2] == ["pop3/dele/1", "pop3/dele/2"]
    assert listed[0] == {
        "id": "pop3/dele/1",
        "topic": "dele",
        "rfc": 1939,
        "section": "5",
        "level": "MUST",
        "implied": True,
        "slow": False,
        "text": "The second DELE of a message gets -ERR.",
        "note": "",
    }


# As a process of its own


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "conformance", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": "/nonexistent"},
    )


@pytest.fixture
def silent_place(bench: Bench) -> Iterator[str]:
    """Where a server greets, and answers nothing after the login."""
    mutant = said(Answer(rb"STAT|DELE.*|LIST.*", b""), Change(rb"\A\+OK ready", b"+OK here"))
    world = MaildirWorld(mutant, bench.folder / "mail")
    with pop3_on_loopback(world, bench.authority, mutant) as port:
        yield f"localhost:{port}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_what_it_has(
    number: signal.Signals, bench: Bench, silent_place: str
) -> None:
    result = bench.folder / "run.json"
    words = ("--timeout", "60", "--json", str(result))
    process = start("pop3", silent_place, *CASES, *bench.options(), *words)
    assert process.stdout
    assert process.stdout.readline().startswith("pop3 server")
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (128 + number, "")
    assert f"the run was stopped: interrupted by {number.name}" in out
    found = read_run(str(result))
    assert found["stopped"] == f"interrupted by {number.name}"
    assert {case["verdict"] for case in found["results"]} == {"skip"}


def on_a_terminal(environment: dict[str, str], *words: str) -> str:
    """Return what the command prints on a terminal."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mailhaul", "conformance", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        env={"PATH": os.environ["PATH"], **environment},
    )
    os.close(theirs)
    output = b""
    # Linux raises EIO when no process has the other side any more.
    with suppress(OSError):
        while data := os.read(ours, 65536):
            output += data
    os.close(ours)
    assert process.wait(30) == 0
    return output.decode()


def test_colour_and_progress_are_for_terminals(bench: Bench) -> None:
    world = MaildirWorld(Mutant(), bench.folder / "mail")
    with pop3_on_loopback(world, bench.authority) as port:
        words = ("pop3", f"localhost:{port}", *CASES, *bench.options())
        plain = on_a_terminal({"TERM": "xterm", "NO_COLOR": "1"}, *words)
        dumb = on_a_terminal({"TERM": "dumb"}, *words)
        coloured = on_a_terminal({"TERM": "xterm"}, *words)
    assert "1 of 3 cases" in plain
    assert "\x1b[32m" not in plain
    assert "\x1b" not in dumb
    assert " of 3 cases" not in dumb
    assert "\x1b[32mpass " in coloured


def test_the_command_starts_and_ends(bench: Bench) -> None:
    process = start("list", "pop3/dele")
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("pop3/dele/1")


def test_a_poll_loads_nothing_of_the_harness() -> None:
    code = (
        "import sys; from mailhaul.apps.main import main;"
        "print(main(['-f', '/dev/null', '--version'])); print(main(['-f', '-']));"
        "print(*(name for name in sys.modules if 'conformance' in name), 'end')"
    )
    rc = "poll localhost port 1 protocol pop3 user joe password x sslproto ''\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        input=rc,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1].strip() == "end"
    assert "\n2\n" in done.stdout


def test_random_sessions_agree_with_our_server(bench: Bench) -> None:
    code, out, _ = bench.pop3("--random", "60", "--seed", "3")
    assert code == 0
    assert "60 random steps, seed 3: every answer agrees with the model" in out


def test_random_sessions_find_a_fault_and_show_a_short_script(bench: Bench) -> None:
    code, out, _ = bench.pop3("--random", "60", mutant=said(Answer(rb"RSET", b"-ERR no\r\n")))
    assert code == 1
    assert out.endswith(
        "The shortest script found that fails, with all its steps:\n  1. session 1: rset\n"
        "  expected  +OK as the reply to RSET\n  got       -ERR no\n"
    )


def test_a_protocol_without_a_model_is_refused_in_words(bench: Bench) -> None:
    code, _, err = bench.run("lmtp", "localhost:2400", "--random", "5")
    assert code == 2
    assert "--random is for imap, pop3 and smtp" in err
