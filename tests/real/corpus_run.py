"""Haul a corpus of messages from Dovecot by every way out, and compare octets.

    python -m tests.real.corpus_run PATH [WAY ...]

PATH is a folder of files with one message each, at any depth, a Maildir, or a mailbox file. What
Dovecot serves of them is asked for by Python's own IMAP client; what arrives has to be that, but
for what docs/corpus.md allows (corpus_rule.py). Exits with 1 if anything else arrives, or less.
"""

from __future__ import annotations

import imaplib
import mailbox
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from mailhaul.protocols.smtp.server import SmtpServer
from mailhaul.servers.smtp import MemorySink, serve_smtp

from .corpus_rule import HOST, Expected, comparable
from .mailhaul import Run, mailhaul
from .servers.certificates import Certificate, Certificates
from .servers.dovecot import Dovecot
from .servers.ours import listening
from .ways_out import WayOut, batched, into_dovecot, into_files, lines, unix

WAYS = ("SMTP", "LMTP", "MDA", "Maildir", "mbox", "BSMTP", "APPEND")
SHOWN = 60
"""Octets that are shown on each side of a difference."""
MOST_SHOWN = 50
"""Differences that are described of one way."""
ALIKE = 4096
"""Octets by which one is found that a missing message may have become."""
AT_ONCE = 200
"""Messages that the other client asks for in one go."""


def read_corpus(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the messages in a mailbox file, a Maildir, or a folder of files, with names."""
    if path.is_file():
        with closing(mailbox.mbox(path, create=False)) as box:
            for key in box.iterkeys():
                yield f"{path}:{key}", box.get_bytes(key)
        return
    folders = [path / "cur", path / "new"]
    for folder in folders if all(each.is_dir() for each in folders) else [path]:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            yield str(file), file.read_bytes()


@dataclass
class Hauled:
    """What became of a corpus by one way."""

    way: str
    arrived: int = 0
    kept: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)


class Corpus:
    """Messages in a mailbox of Dovecot, from where they are hauled again and again."""

    def __init__(
        self,
        messages: Iterable[tuple[str, bytes]],
        dovecot: Dovecot,
        certificate: Certificate,
        patience: float,
    ) -> None:
        self._dovecot, self._certificate, self._patience = dovecot, certificate, patience
        self._user = dovecot.new_user()
        self.names: list[str] = []
        for name, text in messages:
            dovecot.deliver(self._user, text)
            self.names.append(name)
        self.served = self._served()

    def _served(self) -> list[bytes]:
        """Return the messages as the server has them, told by a client that is not ours."""
        texts: list[bytes] = []
        with imaplib.IMAP4(self._dovecot.host, self._dovecot.imap_port) as client:
            client.login(self._user, self._dovecot.password)
            client.select(readonly=True)
            for first in range(1, len(self.names) + 1, AT_ONCE):
                last = min(first + AT_ONCE - 1, len(self.names))
                _, parts = client.fetch(f"{first}:{last}", "(BODY.PEEK[])")
                texts += [part[1] for part in parts if isinstance(part, tuple)]
        assert len(texts) == len(self.names)
        return texts

    def haul(self, name: str, home: Path) -> Hauled:
        """Haul all of it by one way, with all files below ``home``."""
        start = monotonic()
        with self._way(name, home) as way:
            run = mailhaul(self._rc(way), home, patience=self._patience)
            stored = list(way.stored())
        hauled = Hauled(name, len(stored), seconds=monotonic() - start)
        self._compare(way, stored, run, hauled)
        return hauled

    def _rc(self, way: WayOut) -> str:
        dovecot = self._dovecot
        return (
            f"poll {HOST.decode()} no dns protocol IMAP port {dovecot.imap_port}\n"
            f"  auth password {way.server}\n"
            f'  user {self._user} password "{dovecot.password}" is {way.recipient} here\n'
            f"  sslproto '' keep fetchall {way.user}\n"
        )

    @contextmanager
    def _way(self, name: str, home: Path) -> Iterator[WayOut]:
        received = MemorySink()
        with listening(
            SmtpServer, lambda channel, _: serve_smtp(channel, received), self._certificate
        ) as port:
            ways = [
                WayOut(
                    "SMTP",
                    "mailhaul",
                    lambda: (unix(one.text) for one in received.messages),
                    lines,
                    f"smtphost localhost/{port}",
                ),
                WayOut(
                    "BSMTP",
                    "mailhaul",
                    lambda: map(unix, batched((home / "batch").read_bytes())),
                    lines,
                    "bsmtp batch",
                ),
                *into_dovecot(self._dovecot),
                *into_files(home),
            ]
            yield next(way for way in ways if way.name == name)

    def _compare(self, way: WayOut, stored: Sequence[bytes], run: Run, hauled: Hauled) -> None:
        """Pair what arrived with what should have, and describe what is left on each side."""
        wanted: dict[bytes, list[int]] = defaultdict(list)
        for number, text in enumerate(self.served):
            expected = Expected.of(text, way)
            if expected.stays:
                hauled.kept += 1
            else:
                wanted[expected.key].append(number)
        strange: list[bytes] = []
        for text in stored:
            found = next((key for key in comparable(text, way) if wanted.get(key)), None)
            if found is None:
                strange.append(text)
            else:
                wanted[found].pop(0)
        missing = sorted(number for numbers in wanted.values() for number in numbers)
        shown = [next(comparable(text, way)) for text in strange[:MOST_SHOWN]] if missing else []
        for number in missing[:MOST_SHOWN]:
            said = nearest(Expected.of(self.served[number], way).key, shown)
            hauled.differences.append(f"{self.names[number]}: {said}")
        if len(missing) > MOST_SHOWN:
            hauled.differences.append(f"and {len(missing) - MOST_SHOWN} more")
        if len(stored) + hauled.kept != len(self.served):
            refusals = run.err.strip()[-2000:]
            hauled.differences.append(f"{len(self.served)} sent, {len(stored)} came: {refusals}")
        if run.code not in {0, 1}:
            hauled.differences.append(f"exit code {run.code}: {run.err[-2000:]}")


def nearest(expected: bytes, strange: Sequence[bytes]) -> str:
    """Say how the most similar of these differs from what was expected."""
    if not strange:
        return "did not arrive"
    words = set(expected[:ALIKE].split())

    def alike(text: bytes) -> int:
        return len(words.intersection(text[:ALIKE].split()))

    got = max(strange, key=alike)
    pairs = enumerate(zip(got, expected, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(got), len(expected)))
    around = slice(max(at - SHOWN, 0), at + SHOWN)
    return f"differs at octet {at}: {got[around]!r} instead of {expected[around]!r}"


def main(arguments: Sequence[str]) -> int:
    """Run it, print counts and differences, and return an exit code."""
    if not arguments:
        print(__doc__)
        return 2
    scratch = Path(tempfile.mkdtemp(prefix="mh-", dir="/tmp"))
    scratch.chmod(0o755)
    failed = False
    try:
        certificate = Certificates(scratch / "tls").good
        dovecot = Dovecot(scratch / "dovecot", certificate)
        with dovecot.running():
            corpus = Corpus(read_corpus(Path(arguments[0])), dovecot, certificate, 4 * 3600.0)
            print(f"{len(corpus.served)} messages")
            for name in arguments[1:] or WAYS:
                (home := scratch / name).mkdir()
                hauled = corpus.haul(name, home)
                failed |= bool(hauled.differences)
                print(
                    f"{name}: {hauled.arrived} arrived, {hauled.kept} kept as they must be, "
                    f"{len(hauled.differences)} differences, {hauled.seconds:.0f} s",
                    *hauled.differences,
                    sep="\n  ",
                    flush=True,
                )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
