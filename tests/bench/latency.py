"""A network with a delay, in a process of its own: ``python -m tests.bench.latency SECONDS HOST:PORT…``.

Whatever a client sends is passed on so many seconds later, in its order, and answers come back at once: each request
costs one round trip more, whatever its size, as in a network of that latency and of any bandwidth. It prints the
ports that stand for the upstreams as a JSON list, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from tests.bench.http_calls import Account
from tests.bench.processes import PROJECT

# What the order of a real region is, and what the rows that are measured so are called.
AWAY: Final = ", 30 ms away"
AWAY_SECONDS: Final = 0.03

CHUNK_BYTES: Final = 256 * 1024
# So much may be on its way in one connection.
FLYING_CHUNKS: Final = 1024


@contextmanager
def delayed(account: Account, seconds: float) -> Iterator[Account]:
    """Put a delay in front of an account while the context lasts; gives the account as seen from behind it."""
    upstreams = [urlsplit(url).netloc for url in (account.blob, account.queue)]
    command = [sys.executable, "-m", "tests.bench.latency", str(seconds), *upstreams]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("Both are pipes.")
        ports = json.loads(process.stdout.readline())
        blob, queue = (f"http://127.0.0.1:{port}/{account.name}" for port in ports)
        try:
            yield account._replace(blob=blob, queue=queue)
        finally:
            process.stdin.close()


async def _main(seconds: float, upstreams: list[str]) -> None:
    servers = []
    for upstream in upstreams:
        host, _, port = upstream.rpartition(":")

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str = host, port: str = port
        ) -> None:
            # At the end all connections are cancelled, which asyncio would report as errors.
            with contextlib.suppress(asyncio.CancelledError):
                await _serve(reader, writer, seconds, host, int(port))

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0, limit=CHUNK_BYTES))
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float, host: str, port: int
) -> None:
    # Without this, small packets wait for the acknowledgement of those before them.
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    up_reader, up_writer = await asyncio.open_connection(host, port, limit=CHUNK_BYTES)
    up_writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    flying: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(FLYING_CHUNKS)
    tasks = [
        asyncio.create_task(_take(reader, flying, seconds)),
        asyncio.create_task(_deliver(flying, up_writer)),
        asyncio.create_task(_return(up_reader, writer)),
    ]
    # When one side has closed, or is gone, nothing more is to be passed on.
    await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    for each in (writer, up_writer):
        each.close()
        with contextlib.suppress(ConnectionError):
            await each.wait_closed()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _take(reader: asyncio.StreamReader, flying: asyncio.Queue[tuple[float, bytes]], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    data = b"begin"
    while data:
        try:
            data = await reader.read(CHUNK_BYTES)
        except ConnectionError:
            data = b""
        await flying.put((loop.time() + seconds, data))


async def _deliver(flying: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while True:
        moment, data = await flying.get()
        if (left := moment - loop.time()) > 0:
            await asyncio.sleep(left)
        if not data:
            return
        writer.write(data)
        await writer.drain()


async def _return(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


if __name__ == "__main__":
    asyncio.run(_main(float(sys.argv[1]), sys.argv[2:]))
