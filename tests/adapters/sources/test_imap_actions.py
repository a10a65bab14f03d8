"""A server that refuses an announced command gets another one; other messages are not deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailhaul.flows.outcome import ExitCode

from .scripted import MESSAGE, Script, World

NO, BAD = b"TAG NO not here\r\n", b"TAG BAD what is that\r\n"


@pytest.mark.parametrize("refusal", [NO, BAD])
def test_if_uid_expunge_is_refused_our_messages_are_expunged(
    tmp_path: Path, refusal: bytes
) -> None:
    world = World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}))
    world.script.answers["UID EXPUNGE"] = refusal

    assert world.poll() is ExitCode.SUCCESS

    assert world.script.messages == {}
    assert world.said == []
    assert world.heard(b"EXPUNGE") == [b"EXPUNGE"]


def test_if_uid_expunge_is_refused_messages_flagged_by_others_stay(tmp_path: Path) -> None:
    world = World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}))
    world.script.flags[2] = {b"\\Deleted"}
    world.script.answers["UID EXPUNGE"] = NO

    assert world.poll() is ExitCode.SUCCESS

    assert list(world.script.messages) == [1, 2]
    assert "ours stay flagged" in world.said[0]
    assert world.heard(b"EXPUNGE") == []

    world.script.flags[2].clear()
    world.poll()
    assert list(world.script.messages) == []
    assert len(world.delivered) == 2


def test_messages_that_were_not_flagged_do_not_count_as_deleted(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.script.answers["UID STORE"] = NO

    assert world.poll() is ExitCode.SUCCESS

    assert world.said == ["server: the server does not delete or mark 1 message(s): not here"]
    world.script.answers.clear()
    world.poll()
    assert len(world.delivered) == 1
    assert world.script.messages == {}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("refusal", [NO, BAD])
def test_a_refused_store_is_retried_with_fewer_flags(
    tmp_path: Path, refusal: bytes, keep: bool
) -> None:
    world = World(tmp_path, Script({1: MESSAGE, 2: MESSAGE}))
    world.script.answers["UID STORE 1:2 +FLAGS.SILENT"] = refusal

    assert world.poll(keep=keep) is ExitCode.SUCCESS

    assert world.said == []
    flag = b"\\Seen" if keep else b"\\Deleted"
    assert world.heard(b"UID STORE")[1:] == [b"UID STORE 1:2 +FLAGS (%b)" % flag]
    assert len(world.script.messages) == 2 * keep
    world.poll(keep=keep)
    assert len(world.delivered) == 2
