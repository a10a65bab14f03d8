"""The floor of connections that wait: a task and a TLS connection each. COUNT PORT AUTHORITY.

A line on its standard output says that all are open; it ends with its standard input.
"""

from __future__ import annotations

import ssl
import sys

import trio

AT_ONCE = 50


async def wait(port: int, context: ssl.SSLContext, gate: trio.Semaphore, opened: list[int]) -> None:
    """Open one connection, and read for ever."""
    async with gate:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        tls = trio.SSLStream(stream, context, server_hostname="localhost")
        # The first read takes the session tickets, after which OpenSSL keeps a buffer of 16 KiB
        # until the next write.
        await tls.receive_some(4096)
        await tls.send_all(b"a IDLE\r\n")
        while not (await tls.receive_some(4096)).endswith(b"+ idling\r\n"):
            pass
        opened.append(port)
    await tls.receive_some(4096)


async def hold(count: int, port: int, authority: str) -> None:
    """Hold so many connections."""
    context = ssl.create_default_context(cafile=authority)
    gate, opened = trio.Semaphore(AT_ONCE), list[int]()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(wait, port, context, gate, opened)
        while len(opened) < count:
            await trio.sleep(0.05)
        print("open", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


def main(words: list[str]) -> None:
    """Hold connections until standard input ends."""
    trio.run(hold, int(words[0]), int(words[1]), words[2])
