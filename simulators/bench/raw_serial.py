"""The baseline of a serial line: the fewest lines that read Modbus RTU devices in turn.

It knows how long each answer is, checks nothing, and leaves the quiet time by sleeping.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import sys
import termios
import time
import tty
from typing import Final

_POLY: Final = 0xA001
_SILENT_S: Final = 2.0


def request(unit: int, registers: int) -> bytes:
    """Return a read of holding registers from 0 with its checksum (V1.02, 6.2.2)."""
    body = bytes((unit, 3, 0, 0)) + registers.to_bytes(2, "big")
    rest = 0xFFFF
    for value in body:
        rest ^= value
        for _bit in range(8):
            rest = rest >> 1 ^ _POLY if rest & 1 else rest >> 1
    return body + rest.to_bytes(2, "little")


def read(port: int, requests: list[bytes], answer: int, quiet_s: float, for_s: float) -> int:
    """Read each in turn, again and again, and return how many answers came.

    Raises:
        OSError: an answer does not come.
    """
    came, begun_s = 0, time.monotonic()
    while time.monotonic() - begun_s < for_s:
        asked = requests[came % len(requests)]
        time.sleep(quiet_s)
        os.write(port, asked)
        got = b""
        while len(got) < answer:
            if not select.select([port], [], [], _SILENT_S)[0]:
                msg = f"no answer to {asked.hex(' ')}"
                raise OSError(msg)
            got += os.read(port, answer)
        came += 1
    return came


def main() -> int:
    """Read as the command line says; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="A baseline of mayak bench.")
    parser.add_argument("path")
    parser.add_argument("--units", type=int, required=True, help="from 1")
    parser.add_argument("--registers", type=int, required=True)
    parser.add_argument("--quiet", dest="quiet_s", type=float, required=True, help="seconds")
    parser.add_argument("--for", dest="for_s", type=float, default=5.0, help="seconds")
    options = parser.parse_args()
    port = os.open(options.path, os.O_RDWR | os.O_NOCTTY)
    speed = termios.tcgetattr(port)[4]
    tty.setraw(port)
    modes = termios.tcgetattr(port)
    modes[4] = modes[5] = speed
    termios.tcsetattr(port, termios.TCSANOW, modes)
    requests = [request(unit, options.registers) for unit in range(1, options.units + 1)]
    begun_s = time.monotonic()
    came = read(port, requests, 5 + 2 * options.registers, options.quiet_s, options.for_s)
    wall_s = time.monotonic() - begun_s
    os.close(port)
    sys.stdout.write(json.dumps({"exchanges": came, "wall_s": wall_s}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
