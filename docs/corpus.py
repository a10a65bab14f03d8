"""What becomes of difficult messages on the way into each sink, as a table from a real run.

python docs/corpus.py            starts the servers, carries the messages, writes docs/corpus.md

The run is that of tests/real/test_deliveries.py, which also compares the table with what it sees.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
TESTS = FOLDER.parent / "tests" / "real" / "test_deliveries.py"
TABLE = FOLDER / "corpus.md"

HEAD = """\
# Difficult messages, and what becomes of them

Each message of `tests/real/nasty.py` lies in an IMAP mailbox and goes into each sink, between real
programs. `whole` means that it arrives, once, with header and body equal octet for octet, below the
fields that were added, after the one rule for line ends of that sink:

| sink | rule |
|---|---|
| SMTP, LMTP, `-bs` on a pipe, BSMTP | CRLF, bare CR and bare LF are each a line end; the last line has one |
| SMTP to a server with BINARYMIME | as it is, by BDAT; by the rule above if the header itself holds a bare CR or LF |
| MDA, Maildir, mbox | CRLF becomes LF (`stripcr`, usual here); a bare CR and a bare LF stay |
| APPEND | CRLF, bare CR and bare LF are each a line end; none is added |

`kept` means that the server refused it and that it stays in its mailbox. Two servers have rules of
their own: Postfix takes away blanks before the colon of a field, OpenSMTPD cuts a line at its first
NUL. None ever makes two messages of one.

"""
FOOT = """
`python docs/corpus.py` makes this table anew.
"""


def table(fates: Mapping[str, Mapping[str, str]]) -> str:
    """Return the page for these fates, by sink and by message."""
    sinks = list(fates)
    lines = [f"| message | {' | '.join(sinks)} |", f"|---{'|---' * len(sinks)}|"]
    for message in next(iter(fates.values())):
        cells = " | ".join(fates[sink][message] for sink in sinks)
        lines.append(f"| `{message}` | {cells} |")
    return HEAD + "\n".join(lines) + "\n" + FOOT


def main() -> int:
    """Run the tests and write the page; return their exit code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fates"
        path.touch()
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(TESTS)],
            check=False,
            env={**os.environ, "MAILHAUL_FATES": str(path)},
        )
        fates = dict(json.loads(line) for line in path.read_text().splitlines())
    TABLE.write_text(table(fates))
    return run.returncode


if __name__ == "__main__":
    raise SystemExit(main())
