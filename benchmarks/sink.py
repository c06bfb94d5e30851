"""A server that takes what it is sent and answers like Brevo, as fast as it can, in a process of its own.

It is no sandbox: it checks nothing, so that what is measured is the sender. It keeps the last body, by which a
benchmark can tell that its contenders send the same.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, Self

_TAKEN = (
    b"HTTP/1.1 204 No Content\r\n"
    b"x-sib-ratelimit-limit: 36000\r\nx-sib-ratelimit-remaining: 35999\r\nx-sib-ratelimit-reset: 3600\r\n\r\n"
)
# A limit by the second that nobody can reach.
_BATCH_TAKEN = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    b"x-sib-ratelimit-limit: 1000000\r\nx-sib-ratelimit-remaining: 999999\r\nx-sib-ratelimit-reset: 1\r\n\r\n%b"
)
_BATCH_SAID = b'{"message":"Batch accepted. Valid events have been added to the processing queue.","count":%d}'
_LAST_BODY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Sink:
    """The server's process, as a context manager: it is stopped at the end of the block.

    :ivar port: where it listens, on 127.0.0.1.
    """

    port: int

    def __enter__(self) -> Self:
        command = [sys.executable, "-I", str(Path(__file__))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate()  # closes its standard input, upon which it ends

    def last_body(self) -> Any:
        """Return the JSON that was sent last, decoded."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/last", timeout=10) as answer:
            return json.load(answer)


class _Connection(asyncio.Protocol):
    """One connection, kept open for any number of requests. Bodies come with a Content-Length."""

    last_body = b"null"

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = bytearray()
        self._start = self._end = 0

    def data_received(self, data: bytes) -> None:
        self._received += data
        while self._end or self._read_head():
            if len(self._received) < self._end:
                return
            head, body = bytes(self._received[: self._start]), bytes(self._received[self._start : self._end])
            del self._received[: self._end]
            self._end = 0
            self._transport.write(self._answer(head, body))

    def _read_head(self) -> bool:
        """Find out where the body starts and ends; return whether the head is complete."""
        end_of_head = self._received.find(b"\r\n\r\n")
        if end_of_head < 0:
            return False
        self._start = end_of_head + 4
        self._end = self._start + _content_length(bytes(self._received[:end_of_head]))
        return True

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET "):
            return _LAST_BODY % (len(_Connection.last_body), _Connection.last_body)
        _Connection.last_body = body
        if head.partition(b"\r\n")[0].endswith(b"/batch HTTP/1.1"):
            said = _BATCH_SAID % body.count(b'"event_name":')
            return _BATCH_TAKEN % (len(said), said)
        return _TAKEN


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def _serve() -> None:
    """Print the port, and serve until standard input ends: with the block above, or with the process that opened it."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve())
