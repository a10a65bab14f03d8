"""``python -m tests.matrix [PEER ...]``: run the suites, write the results and the pages."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence

from mailhaul.conformance.report.json import read_run
from mailhaul.conformance.report.matrix import page
from tests.real.servers.process import ServerFailed

from .peers import PEERS
from .peers.place import private_place
from .results import keep
from .trials import HOME

FOLDER = HOME / "docs" / "conformance"
RESULTS = FOLDER / "results"
VERDICTS = ("pass", "fail", "warn", "info", "skip", "error")


def run_peer(name: str, wanted: Sequence[str]) -> None:
    """Start a peer and run its suites; ``wanted`` may name some of them."""
    with private_place() as place, PEERS[name](place) as trials:
        for trial in trials:
            if wanted and trial.name not in wanted:
                continue
            began = time.monotonic()
            raw = place.folder / f"{trial.name}.json"
            trial.run(raw)
            document = keep(raw, RESULTS / f"{trial.name}.json")
            counts = " ".join(f"{document['counts'][verdict]:>5}" for verdict in VERDICTS)
            seconds = time.monotonic() - began
            print(f"{trial.name:<20} {trial.label:<30} {counts} {seconds:6.0f} s", flush=True)


def write_pages() -> None:
    """Make the pages of all results that are there: one for servers, one for clients."""
    runs = {path.name: read_run(str(path)) for path in sorted(RESULTS.glob("*.json"))}
    clients = {name: run for name, run in runs.items() if run["suite"] == "client"}
    servers = {name: run for name, run in runs.items() if name not in clients}
    for file, found in (("matrix.html", servers), ("clients.html", clients)):
        if found:
            (FOLDER / file).write_text(page(found), encoding="utf-8")


def main(words: Sequence[str]) -> int:
    """Run the peers that are named, or all; a word with a dash may be a trial."""
    if os.geteuid() != 0:
        print("The servers change user and need root: use a container.", file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = "/tmp"
    failed = 0
    print(f"{'target':<20} {'software':<30} {' '.join(f'{v:>5}' for v in VERDICTS)}")
    for name in PEERS:
        trials = [word for word in words if word.startswith(f"{name}-") or word == f"{name}."]
        if words and name not in words and not trials:
            continue
        try:
            run_peer(name, [word.rstrip(".") for word in trials])
        except ServerFailed as failure:
            print(f"{name}: {failure}", file=sys.stderr)
            failed = 1
    write_pages()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
