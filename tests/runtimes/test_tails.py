"""The end of what a child wrote is kept, however much it writes."""

from __future__ import annotations

import os
import threading

from mailhaul.runtimes.children import MAX_KEPT_OUTPUT, Tail


def test_a_child_that_never_stops_writing_is_not_read_for_ever() -> None:
    reading, writing = os.pipe()
    block = b"x" * 65536

    def write() -> None:
        try:
            while os.write(writing, block):
                pass
        except BrokenPipeError:
            os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    tail = Tail(reading)
    for _ in range(100):
        tail.drain()
    assert tail.open
    tail.close()
    writer.join()
    assert len(tail.kept) <= MAX_KEPT_OUTPUT
