"""A new Modbus profile with comments, for who fills it in."""

from __future__ import annotations

from typing import Final

from drivers.profiles.writing import head
from gateway.model.profile import HeadWords

OPENING: Final = """\
# The register map of one model. `mayak profile test FILE` says what is wrong with it.
"""
BODY: Final = """
# What a person should know before using it.
# [[caveats]]
# ru = "..."
# en = "..."

# What the device takes in one read. `never` are addresses that must not be touched.
[limits]
max_registers = 125
max_gap = 8
# never = { input = [[26, 29]] }

# Poll groups and their periods in seconds; the first is that of points that name none.
[groups]
fast = 1.0
slow = 60.0

# By what a device is recognised, and how it is set when it leaves the factory.
[identify]
# units = [1]
# baud_rates = [9600, 19200]
# parity = "none"
# stop_bits = 1
#
# [[identify.object]]        # device identification, function 0x2B/0x0E
# id = "vendor_name"
# pattern = "^Maker"
#
# [[identify.signature]]     # a register that tells this model from others
# table = "holding"
# address = 200
# type = "u16"
# equals = [0x1234]
#
# [[identify.plausible]]     # what a point of a healthy device lies between
# point = "temperature"
# low = -40.0
# high = 60.0

[[point]]
name = "temperature"
table = "input"              # holding, input, coil or discrete
address = 0                  # on the wire, from 0; or reference = "30001"
type = "i16"                 # bool u16 i16 u32 i32 u64 i64 float32 float64 bcd16 bcd32 string
# order = "ABCD"             # ABCD CDAB BADC DCBA, A the most significant byte
scale = 0.1                  # value = raw * scale + offset
unit = "Cel"                 # a UCUM code
sentinel = [0x7FFF]          # raw patterns that mean no value
low = -60.0                  # what the value can be; beyond it is a fault, no measurement
high = 100.0
group = "fast"
# deadband = 0.2             # smallest change that is told
# caveat = { ru = "...", en = "..." }

[[point]]
name = "relay"
table = "coil"
address = 0
writable = true
safe = false                 # what it is set to when nobody is in charge of it

[[point]]
name = "mode"
table = "holding"
address = 0
type = "u16"
states = { 0 = "off", 1 = { name = "auto", ru = "автоматически", en = "automatic" } }
writable = true
group = "slow"

# What the device answers and what it means: from its document, or taken from the line.
# Function, address and count; function, byte count and data; without unit and checksum.
[[vector]]
request = "04 0000 0001"
answer = "04 02 00d7"
values = { temperature = 21.5 }

[[vector]]
request = "04 0000 0001"
answer = "04 02 7fff"
flags = { temperature = "no_value" }

[[vector]]
request = "01 0000 0001"
answer = "01 01 01"
values = { relay = true }
"""


def skeleton(words: HeadWords) -> str:
    """Return the text of a profile with three points, to be replaced by those of the device."""
    opening = (
        "# The register map of one model. `mayak profile test FILE` says what is wrong with it.\n"
    )
    return opening + head(words, "modbus") + BODY
