"""How many accounts a shared store can take: ``python -m bench.fleet URL``.

It fills an empty store with accounts and lets several processes share them. Each claims what is due
through the same functions as the daemon, holds every account for a moment as if it polled it, and
gives it back. Printed are the polls per second, how late they are, how long it takes until the
accounts of a killed process are polled again, and the size of an account in the store.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import IO

from mailhaul.adapters.postgres.database import Database
from mailhaul.adapters.postgres.fleet import FleetClaims
from mailhaul.adapters.postgres.records import Settlement
from mailhaul.adapters.postgres.schema import prepare
from mailhaul.adapters.postgres.worker import Worker

FILL = """
INSERT INTO account (name, origin, text, host, remote, due)
SELECT 'user' || n || '@imap.h' || n % ?2 || '.example', 'store',
    'poll imap.h' || n % ?2 || '.example protocol imap user "user' || n || '" is user' || n
    || ' here passwordeval "@vault user' || n || '" ssl maildir "/srv/mail/user' || n || '"',
    'imap.h' || n % ?2 || '.example', 'user' || n,
    now() + ?3 * interval '1 second' + random() * ?4 * interval '1 second'
FROM generate_series(1, ?1) AS n
"""


def main() -> None:
    """Run the benchmark, or one of its workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=7000.0, help="polls that are due per second")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--lease", type=float, default=5.0)
    parser.add_argument("--places", type=int, default=4000, help="accounts that a worker polls")
    parser.add_argument("--takes", type=float, default=0.3, help="seconds of a poll")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    worker(given) if given.worker else benchmark(given)


def benchmark(given: argparse.Namespace) -> None:
    """Fill the store, run the workers, kill one, and print the figures."""
    database = Database(given.url, prepare)
    interval = given.rows / given.rate
    begin = 5.0 + given.rows / 50_000
    database.write(lambda s: s.execute("DELETE FROM account"))
    began = time.monotonic()
    values = (given.rows, given.hosts, begin, interval)
    database.write(lambda s: s.execute(FILL, values))
    database.write(lambda s: s.execute("ANALYZE account"), alone=True)
    filled = time.monotonic() - began
    print(f"{given.rows} accounts, {given.hosts} hosts, each polled every {interval:.1f} s", end="")
    print(f" ({given.rate:.0f} polls/s); {given.workers} workers; filled in {filled:.1f} s")
    arguments = [sys.executable, "-m", "bench.fleet", *sys.argv[1:], "--worker"]
    # Files, since a pipe that nobody reads would stop the worker.
    outputs = [tempfile.TemporaryFile("w+") for _ in range(given.workers)]  # noqa: SIM115
    started = [subprocess.Popen(arguments, stdout=output) for output in outputs]
    time.sleep(max(0.0, begin - filled) + given.seconds)
    takeover = kill_one(started[0], database) if given.workers > 1 else 0.0
    for process in started[1:]:
        process.send_signal(signal.SIGTERM)
    for process in started:
        process.wait()
    report([contents(output) for output in outputs], takeover, given, database)


def contents(output: IO[str]) -> str:
    """Return what a worker has written."""
    with output:
        output.seek(0)
        return output.read()


def kill_one(process: subprocess.Popen[bytes], database: Database) -> float:
    """Kill a worker; return the seconds until all that it held is claimed again."""
    pid_name = f":{process.pid}"
    query = "SELECT id FROM worker WHERE name LIKE '%' || ?"
    rows = database.write(lambda s: s.execute(query, (pid_name,)).fetchall())
    process.kill()
    began = time.monotonic()
    held = "SELECT count(*) FROM account WHERE owner = ?"
    while database.write(lambda s: s.execute(held, rows[-1]).fetchall())[0][0]:
        time.sleep(0.05)
    return time.monotonic() - began


def report(
    outputs: Sequence[str], takeover: float, given: argparse.Namespace, database: Database
) -> None:
    """Print the figures of all workers."""
    lines = [json.loads(line) for output in outputs for line in output.splitlines()]
    # The first seconds fill the caches; the last ones are those of the take-over.
    ends = max(line["at"] for line in lines)
    begins = ends - takeover - given.seconds * 0.8
    steady = [line for line in lines if begins < line["at"] < ends - takeover - 1]
    polls = sum(line["polls"] for line in steady)
    late = sorted(one for line in steady for one in line["late"])
    seconds = max(line["at"] for line in steady) - min(line["at"] for line in steady) + 1
    size = database.write(
        lambda s: s.execute("SELECT pg_total_relation_size('mailhaul.account')").fetchall()
    )[0][0]
    print(f"{polls / seconds:.0f} polls/s over {seconds:.0f} s")
    print(f"late: p50 {at(late, 0.5):.2f} s, p99 {at(late, 0.99):.2f} s, most {late[-1]:.2f} s")
    print(f"taken over in {takeover:.1f} s with a lease of {given.lease:g} s")
    print(f"{size / given.rows:.0f} octets an account, with its indexes")


def at(values: Sequence[float], part: float) -> float:
    """Return the value below which this part of the values is."""
    return values[min(len(values) - 1, int(len(values) * part))]


def worker(given: argparse.Namespace) -> None:
    """Poll until SIGTERM; print the number and the lateness of polls each second."""
    ends: list[bool] = []

    def end(number: int, frame: object) -> None:
        ends.append(True)

    signal.signal(signal.SIGTERM, end)
    member = Worker(given.url, f"bench:{os.getpid()}", given.lease)
    member.start()
    claims = FleetClaims(Database(given.url))
    interval = given.rows / given.rate
    busy: list[tuple[float, int, int]] = []
    done: list[Settlement] = []
    polls, late, told = 0, list[float](), time.monotonic()
    while not ends:
        now = time.monotonic()
        while busy and busy[0][0] <= now:
            _, key, epoch = heappop(busy)
            done.append(Settlement(key, epoch, interval, 0, 0, 1))
        if done:
            polls += len(claims.settle(done))
            done = []
        found = claims.claim(member.id, min(1000, given.places - len(busy)), 0, (), 128)
        for claim in found:
            late.append(claim.late)
            takes = given.takes * (0.5 + random.random())  # noqa: S311  # no secret
            heappush(busy, (now + takes, claim.id, claim.epoch))
        if now - told >= 1:
            some = random.sample(late, min(len(late), 500))
            print(json.dumps({"at": now, "polls": polls, "late": some}), flush=True)
            polls, late, told = 0, [], now
        if len(found) < 200:
            time.sleep(0.1)
    member.stop()


if __name__ == "__main__":
    main()
