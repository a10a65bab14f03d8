"""Every other way to the mail: what was filled in is read again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mailhaul.conformance.environment import Store, User
from mailhaul.conformance.faults import WrongUse
from mailhaul.conformance.mbox import join_mbox, split_mbox
from mailhaul.conformance.stores import parse_store
from mailhaul.conformance.verdicts import SetUpFailed
from mailhaul.runtimes import blocking

JOE, ANN = User(b"joe@example.org", b"x"), User(b"ann@example.org", b"y")
MESSAGES = [
    b"Subject: one\r\n\r\nFrom here\r\n>From there\r\n\r\n",
    b"Subject: two\r\n\r\n\r\n\r\nFrom after an empty line\r\n",
    b"Subject: 8 bit\r\n\r\nGr\xfc\xdfe\r\n",
]

PROGRAM = """
import pathlib, shutil, sys
root, action, user, *rest = sys.argv[1:]
box = pathlib.Path(root, user)
if action == "fill":
    shutil.rmtree(box, ignore_errors=True)
    shutil.copytree(rest[0], box)
elif user == "broken":
    sys.exit("the disk is full")
else:
    for path in sorted(box.iterdir()) if box.exists() else ():
        text = path.read_bytes().replace(b"\\r\\n", b"\\n").replace(b"\\nFrom ", b"\\n>From ")
        text = text.replace(b"\\n>From there", b"\\n>>From there")
        sys.stdout.buffer.write(b"From me now\\n" + text + b"\\n")
"""


def store_of(kind: str, folder: Path) -> Store:
    words = {
        "maildir": f"maildir:{folder}/%n",
        "mbox": f"mbox:{folder}/%u.mbox",
        "command": f"command:{sys.executable} '{folder}/program.py' '{folder}'",
    }
    (folder / "program.py").write_text(PROGRAM)
    return parse_store(words[kind], JOE)


@pytest.mark.parametrize("kind", ["maildir", "mbox", "command"])
def test_what_was_filled_in_is_read(kind: str, tmp_path: Path) -> None:
    store = store_of(kind, tmp_path)
    blocking.run(store.fill(JOE, [b"Subject: old\r\n\r\n"]))
    blocking.run(store.fill(ANN, MESSAGES[:1]))
    blocking.run(store.fill(JOE, MESSAGES))
    assert blocking.run(store.read(JOE)) == MESSAGES
    assert blocking.run(store.read(ANN)) == MESSAGES[:1]
    blocking.run(store.fill(JOE, []))
    assert blocking.run(store.read(JOE)) == []


@pytest.mark.parametrize("kind", ["maildir", "mbox"])
def test_a_mailbox_that_is_not_there_is_empty(kind: str, tmp_path: Path) -> None:
    assert blocking.run(store_of(kind, tmp_path).read(JOE)) == []


def test_a_maildir_is_replaced_in_new_and_cur(tmp_path: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "joe" / name).mkdir(parents=True)
        (tmp_path / "joe" / name / "1.a").write_bytes(b"Subject: old\n\n")
    blocking.run(store_of("maildir", tmp_path).fill(JOE, MESSAGES[:2]))
    left = {name: [*(tmp_path / "joe" / name).iterdir()] for name in ("new", "cur", "tmp")}
    assert (len(left["new"]), len(left["cur"])) == (2, 0)
    assert [path.name for path in left["tmp"]] == ["1.a"]
    texts = [path.read_bytes() for path in sorted(left["new"])]
    assert texts == [message.replace(b"\r\n", b"\n") for message in MESSAGES[:2]]


def test_one_mailbox_is_not_for_two_users(tmp_path: Path) -> None:
    store = parse_store(f"maildir:{tmp_path}/box", JOE)
    blocking.run(store.fill(JOE, MESSAGES))
    with pytest.raises(SetUpFailed, match="put %u"):
        blocking.run(store.fill(ANN, MESSAGES))


def test_a_command_that_fails_says_why(tmp_path: Path) -> None:
    store = store_of("command", tmp_path)
    with pytest.raises(SetUpFailed, match="read ended with status 1: the disk is full"):
        blocking.run(store.read(User(b"broken", b"")))


def test_a_command_that_is_not_there_is_named() -> None:
    store = parse_store("command:/no/such/program", None)
    with pytest.raises(SetUpFailed, match="/no/such/program"):
        blocking.run(store.fill(JOE, []))


def test_an_output_that_is_no_mailbox_is_refused() -> None:
    store = parse_store("command:echo", None)
    with pytest.raises(SetUpFailed, match="is no mailbox file"):
        blocking.run(store.read(JOE))


def test_a_locked_mailbox_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailhaul.conformance.stores.LOCK_SECONDS", 0.05)
    (tmp_path / "joe@example.org.mbox.lock").touch()
    with pytest.raises(SetUpFailed, match="has locked"):
        blocking.run(store_of("mbox", tmp_path).fill(JOE, []))


def test_a_folder_that_is_missing_is_reported(tmp_path: Path) -> None:
    store = parse_store(f"maildir:{tmp_path}/a/b/c", JOE)
    with pytest.raises(SetUpFailed, match="No such file"):
        blocking.run(store.fill(JOE, MESSAGES))


@pytest.mark.parametrize("word", ["", "maildir", "maildir:", "nfs:/x", "command:'"])
def test_wrong_words_are_refused(word: str) -> None:
    with pytest.raises(WrongUse):
        parse_store(word, None)


def test_a_mailbox_file_goes_both_ways() -> None:
    assert split_mbox(join_mbox(MESSAGES)) == MESSAGES
    assert split_mbox(b"") == []
