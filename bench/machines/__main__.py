"""``python -m bench.machines``: print all figures; 1 if an aim is missed."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from . import calls, imap, pop3, rcfile, smtp, startup, transitions
from .measure import Rate, copying

RUNS = 5
PROTOCOLS = ("IMAP", "POP3", "SMTP")
GIGABYTE = 1 << 30
MOST_TRANSITIONS = 6
"""Moves of a dialogue for one message, at most."""
RC_FILES = ((3, 2), (10_000, 500))
"""Entries of an rc file, and how many milliseconds reading them may take."""
MOST_MILLISECONDS = 60
"""How long an empty poll may take where bare Python takes 9."""


def rates() -> Iterator[Rate]:
    """Take the figures that are octets per second."""
    yield imap.many(10_000, 4096, RUNS)
    yield imap.one(GIGABYTE, RUNS)
    yield pop3.many(10_000, 4096, RUNS)
    yield pop3.one(GIGABYTE, 2)
    yield smtp.one(GIGABYTE, 2, bare=False)
    yield smtp.one(GIGABYTE, 2, bare=True)
    yield smtp.many(10_000, 4096, RUNS)


def main() -> int:
    """Print the tables."""
    missed = False
    copied = copying(RUNS)
    print(f"{'plain copying':<46}{copied:>10.0f} MB/s")
    for rate in rates():
        missed |= rate.aim is not None and rate.speed < rate.aim
        aim = f"  aim {rate.aim:.0f}" if rate.aim else ""
        share = rate.speed / copied
        print(f"{rate.name:<46}{rate.speed:>10.1f} MB/s  {share:>7.2%} of copying{aim}", flush=True)
    counts = (transitions.of_imap(), transitions.of_pop3(), transitions.of_smtp())
    for name, count in zip(PROTOCOLS, counts, strict=True):
        missed |= count > MOST_TRANSITIONS
        what = f"{name} client, transitions per message"
        print(f"{what:<46}{count:>10}       aim {MOST_TRANSITIONS}")
    for what, (calls_of, most) in calls.COUNTS.items():
        made = calls_of()
        missed |= made > most
        print(f"{what + ', calls':<46}{made:>10.1f}       aim {most}")
    costs = transitions.costs()
    for place, name in enumerate(PROTOCOLS):
        each = [cost[place] for cost in costs]
        span = f"{min(each):.1f} to {max(each):.1f}"
        print(f"{name + ' client, one transition':<46}{span:>10} us")
    for entries, most in RC_FILES:
        spent = rcfile.reading(entries, RUNS)
        missed |= spent > most
        print(f"{f'an rc file of {entries} entries':<46}{spent:>10.2f} ms  aim {most}")
    bare, poll = startup.bare_python(20), startup.empty_poll(20)
    missed |= poll > MOST_MILLISECONDS
    print(f"{'bare Python':<46}{bare:>10.1f} ms")
    print(f"{'an empty poll':<46}{poll:>10.1f} ms  {poll / bare:.1f} times bare Python")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
