"""The order in which things reach the disk and the server, seen from the system calls.

Whatever is not synced when the power goes may be gone. So of each poll this is read off: what a
sink holds is on the disk before the ledger says so, and the ledger's word is on the disk before the
server is asked to delete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .corpus import simple
from .mailhaul import mailhaul
from .servers.certificates import Certificates
from .servers.dovecot_services import DovecotServices

pytestmark = pytest.mark.real

MESSAGES = 5
TRACED = "fsync,fdatasync,rename,renameat,renameat2,write,pwrite64,sendto,sendmsg,writev"
CALL = re.compile(r"^\d+ +(?P<name>\w+)\((?P<rest>.*)$")
DELETES = re.compile(r"UID STORE|UID EXPUNGE|DELE \d|QUIT|EXPUNGE")


@pytest.fixture(scope="module")
def services(scratch: Path, certificates: Certificates) -> Iterator[DovecotServices]:
    server = DovecotServices(scratch / "order-run", certificates.good)
    with server.running():
        yield server


def story(trace: Path, stored: str) -> list[str]:
    """Return what happened, in order, in words; ``stored`` is where a sink keeps its mail."""
    events: list[str] = []
    for line in trace.read_text().splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        name, rest = call["name"], call["rest"]
        if name.startswith("rename"):
            if "/new/" in rest:
                events.append("named")
        elif "sync" in name:
            what = rest.partition("<")[2].partition(">")[0]
            if what.endswith("ledger.db-wal"):
                events.append("ledger synced")
            elif what.endswith("/new"):
                events.append("folder synced")
            elif stored in what:
                events.append("mail synced")
        elif "socket:" in rest or "TCP:" in rest:
            if DELETES.search(rest):
                events.append("deletion asked for")
        elif "ledger.db-wal>" in rest:
            events.append("ledger written")
        elif stored in rest:
            events.append("mail written")
    return events


def poll(services: DovecotServices, home: Path, protocol: str, sink: str) -> list[str]:
    """Let some mail be fetched; return what happened."""
    user = services.new_user()
    for number in range(MESSAGES):
        services.deliver(user, simple(number))
    port = services.imap_port if protocol == "imap" else services.pop3_port
    rc = (
        f"poll localhost no dns protocol {protocol} port {port}\n"
        f"  user {user} password \"{services.password}\" is bob here sslproto '' {sink}\n"
    )
    trace = home / "trace"
    below = ["strace", "-f", "-y", "-s", "200", "-e", f"trace={TRACED}", "-o", str(trace)]
    run = mailhaul(rc, home, below=below)
    assert run.code == 0, run
    assert services.messages(user) == []
    return story(trace, sink.split()[1])


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("sink", ["maildir Kept", "mbox Kept", "bsmtp Kept"])
def test_what_is_asked_to_be_deleted_is_on_the_disk_and_in_the_ledger(
    services: DovecotServices, tmp_path: Path, protocol: str, sink: str
) -> None:
    events = poll(services, tmp_path, protocol, sink)
    before = events[: events.index("deletion asked for")]
    last_mail = max(at for at, event in enumerate(before) if event in {"mail written", "named"})
    synced = "folder synced" if sink.startswith("maildir") else "mail synced"
    then = before[last_mail + 1 :]
    assert synced in then
    acceptance = then[then.index(synced) + 1 :]
    assert "ledger written" in acceptance
    assert acceptance[-1] == "ledger synced"
    assert not {"mail written", "named"} & set(events[len(before) :])


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_file_in_a_maildir_has_its_text_and_its_offer_on_the_disk_before_its_name(
    services: DovecotServices, tmp_path: Path, protocol: str
) -> None:
    poll(services, tmp_path, protocol, "maildir Kept")
    events = poll(services, tmp_path, protocol, "maildir Kept")
    # Once with the head of the log, and once with the offers.
    assert events[: events.index("mail written")].count("ledger synced") == 2
    names = [at for at, event in enumerate(events) if event == "named"]
    assert len(names) == MESSAGES
    first, last = names[0], names[-1]
    # The messages of a batch are renamed together, and none before all are on the disk.
    assert events[first - MESSAGES : last + 2] == [
        *["mail synced"] * MESSAGES,
        *["named"] * MESSAGES,
        "folder synced",
    ]
