"""The second baseline: the fewest lines of asyncio that read the registers of a load scene."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time

from simulators.bench.raw_options import Came, Options, main

_HEAD = struct.Struct(">HHHBBB")
"""MBAP header, function code, count of bytes (Messaging on TCP/IP V1.0b, 3.1.3)."""
_REQUEST = struct.Struct(">HHHBBHH")
_READ = 3
_BIGGEST = 300


async def read(options: Options) -> Came:
    """Read every device once a period, or without a pause, and return what came.

    Raises:
        OSError: an answer is not whole.
    """
    loop = asyncio.get_running_loop()
    socks = []
    for address in options.to:
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003 - socket's own signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, address)
        socks.append(sock)
    asked = [(sock, unit) for sock in socks for unit in range(1, options.units + 1)]
    values = struct.Struct(f">{options.registers}H")
    came = Came()
    cpu_s, begun_s = time.process_time(), loop.time()
    due_s = begun_s
    while loop.time() - begun_s < options.for_s:
        for sock, unit in asked:
            await loop.sock_sendall(sock, _REQUEST.pack(1, 0, 6, unit, _READ, 0, options.registers))
            answer = await loop.sock_recv(sock, _BIGGEST)
            while 0 < len(answer) < _HEAD.size + values.size:
                answer += await loop.sock_recv(sock, _BIGGEST)
            if len(answer) != _HEAD.size + values.size:
                msg = f"unit {unit}: {answer.hex(' ')}"
                raise OSError(msg)
            came.ready_s = came.ready_s or options.ready_s()
            came.values += len(values.unpack_from(answer, _HEAD.size))
        due_s += options.period_s
        await asyncio.sleep(max(0.0, due_s - loop.time()))
    came.cpu_s, came.wall_s = time.process_time() - cpu_s, loop.time() - begun_s
    for sock in socks:
        sock.close()
    return came


if __name__ == "__main__":
    sys.exit(main(read))
