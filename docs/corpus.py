"""What happens to difficult messages in every sink of mailhaul, as a table from a real run.

python docs/corpus.py                 starts the servers, hauls the messages, writes docs/corpus.md
python docs/corpus.py --check FATES   exits with 1 if the page is not what a run has put into FATES

The run is tests/real/test_nasty_hauls.py, which also checks the page with what it sees.
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
PAGE = FOLDER / "corpus.md"
RUN = FOLDER.parent / "tests" / "real" / "test_nasty_hauls.py"
Fates = Mapping[str, Mapping[str, tuple[str, str]]]
"""By sink and message: a word, and a note on it or nothing."""

HEAD = """\
# Difficult messages, and what happens to them

Each message of `tests/real/nasty_corpus.py` is fetched from an IMAP mailbox and delivered through every sink,
to a real program if there is one: Postfix 3.7, Exim 4.96 and OpenSMTPD 6.8 with their defaults,
by TCP and by `sendmail -bs` on a pipe; aiosmtpd; a server with BINARYMIME (mailhaul's own); Dovecot by LMTP
and APPEND; a Maildir and an mbox that Python's `mailbox` reads back; an MDA; a batch (BSMTP)
that Exim reads. A test compares what arrives with what was sent, octet for octet.

* `whole`: header and body are equal, except for what may change in headers (below).
* `lines`: equal after the rule for line ends of that sink (below) has been applied.
* `kept`: the receiver refused it, and it is still in its mailbox.
* `cut`: the receiver accepted it, and itself dropped something.

| sink | rule for line ends |
|---|---|
| SMTP, LMTP, `-bs`, BSMTP | CRLF, bare CR, bare LF and CR CR LF are each one line end; the last line has one |
| BINARYMIME | none changes; if the header itself has line ends other than CRLF, the rule for SMTP |
| APPEND | CRLF, bare CR, bare LF and CR CR LF are each one line end; none is added |
| Maildir, MDA | CRLF and CR CR LF become LF; a bare CR and a bare LF stay |
| mbox | the same; the last line has an end |

Only this may change in a header, unless options say otherwise:

* The separator line of a mailbox file (`From `, an address, a date) is removed from the very top. No
  other line that begins with `From ` is.
* `Return-Path` fields are removed for SMTP, LMTP and BSMTP if they contain one path and perhaps comments;
  a mailbox file gets one if it is missing.
* `Status` and `X-Mozilla-Status` fields without a value are removed, and so are NULs.
* Addresses without a host get one (not by APPEND).
* A `Received` field is added before the first one or on top (not by APPEND). If the first line of a header begins
  with a space, an `X-Fetchmail-Warning` is put above it, and that line becomes a part of it.
* A message without a single field gets a header; all its lines stay.
* A header of more than 1 MiB or 10,000 fields is not parsed: only a `Received` field is put above it.

A header line, too, ends at any of the four line ends, so a message with old Macintosh line ends has fields like any
other. It arrives unchanged if the sink leaves a bare CR alone.

Some hundreds of odder messages (`tests/real/odd_corpus.py`) are delivered by SMTP, LMTP, MDA, Maildir, mbox, BSMTP and APPEND
in the tests, from Dovecot. `make corpus DIR=...` does the same with your own: a folder of files, a Maildir or a mailbox
file. It prints counts, and each difference that the rules above do not allow.

Most receivers store CRLF as LF, so that a bare LF can no longer be recognized; that counts as `whole`, too.

The messages called `end_...` contain a sequence that some server has mistaken for the end of a text, followed
by a second message with its envelope. They never become two messages.

"""
FOOT = "\nPrinted by `python docs/corpus.py` from a real run.\n"


def page(fates: Fates) -> str:
    """Return the page for what was seen."""
    notes = sorted({note for way in fates.values() for _, note in way.values() if note})
    lines = [f"| | {' | '.join(fates)} |", f"|---{'|---' * len(fates)}|"]
    for message in next(iter(fates.values())):
        cells = [cell(*way[message], notes) for way in fates.values()]
        lines.append(f"| `{message}` | {' | '.join(cells)} |")
    lines += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return HEAD + "\n".join(lines) + "\n" + FOOT


def cell(word: str, note: str, notes: list[str]) -> str:
    """Return one field of the table."""
    return f"{word} ({notes.index(note) + 1})" if note else word


def main(arguments: list[str]) -> int:
    """Run the test and write the page, or check it; return an exit code."""
    if arguments[:1] == ["--check"]:
        if PAGE.read_text() == page(json.loads(Path(arguments[1]).read_text())):
            return 0
        print(f"{PAGE}: not what was seen; run python docs/corpus.py")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fates"
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-k", "page", str(RUN)],
            check=False,
            env={**os.environ, "MAILHAUL_FATES": str(path)},
        )
        if run.returncode == 0:
            PAGE.write_text(page(json.loads(path.read_text())))
    return run.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
