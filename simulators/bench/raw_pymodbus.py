"""The baseline: a bare pymodbus loop over the registers of a load scene, nothing kept.

A program of its own, so that its CPU time is its own.
"""

from __future__ import annotations

import asyncio
import sys
import time

from pymodbus.client import AsyncModbusTcpClient

from simulators.bench.raw_options import Came, Options, main


async def read(options: Options) -> Came:
    """Read every device once a period, or without a pause, and return what came.

    Raises:
        OSError: an answer is not whole.
    """
    clients = [AsyncModbusTcpClient(host, port=port) for host, port in options.to]
    for client in clients:
        await client.connect()
    asked = [(client, unit) for client in clients for unit in range(1, options.units + 1)]
    came = Came()
    loop = asyncio.get_running_loop()
    cpu_s, begun_s = time.process_time(), loop.time()
    due_s = begun_s
    while loop.time() - begun_s < options.for_s:
        for client, unit in asked:
            answer = await client.read_holding_registers(0, count=options.registers, device_id=unit)
            if len(answer.registers) != options.registers:
                msg = f"unit {unit}: {answer}"
                raise OSError(msg)
            came.ready_s = came.ready_s or options.ready_s()
            came.values += len(answer.registers)
        due_s += options.period_s
        await asyncio.sleep(max(0.0, due_s - loop.time()))
    came.cpu_s, came.wall_s = time.process_time() - cpu_s, loop.time() - begun_s
    for client in clients:
        client.close()
    return came


if __name__ == "__main__":
    sys.exit(main(read))
