"""A new profile of telegrams with comments, for who fills it in."""

from __future__ import annotations

from typing import Final

from drivers.profiles.writing import head
from gateway.model.profile import HeadWords

OPENING: Final = """\
# What one model says and is asked. `mayak profile test FILE` says what is wrong with it.
"""
BODY: Final = r"""
# What a person should know before using it.
# [[caveats]]
# ru = "..."
# en = "..."

# How the device is set when it is delivered.
[line]
baud_rate = 9600

# How telegrams begin and end.
[frame]
start = '$'
end = '\r\n'
longest = 80

# Their checksum, if they have one: over what, how it is written.
# [checksum]
# kind = "xor8"
# form = "hex"
# skip = 1
# mark = '*'

# What tells devices on one line apart, if anything does.
# [address]
# kind = "number"
# default = 1
# low = 1
# high = 99

# How the device says no.
# [[refusal]]
# pattern = 'ERR,(?P<code>[0-9]{1,3})'

# What is asked, and how the answer looks: a named group of the pattern for each value.
# Without `request` and with `told = true` the device tells it by itself.
[[group]]
name = "values"
period_s = 1.0
request = '$READ\r\n'
answer = 'VAL,(?P<level>-?[0-9.]{1,8}|---),(?P<mode>[A-Z]{1,8})'

[[point]]
name = "level"               # as its group of the pattern; else field = "..."
unit = "cm"                  # a UCUM code
resolution = 0.1
no_value = ["---"]           # texts that mean no value
low = 0
high = 500

[[point]]
name = "mode"
states = { 0 = "off", 1 = "on" }
codes = { OFF = 0, ON = 1 }  # how the device writes them

# How a point is set.
[[write]]
point = "mode"
request = '$MODE={value}\r\n'
answer = 'OK'

# What is asked, what is answered, what it means: from the document of the device, or taken from
# the line.
[[vector]]
group = "values"
request = '$READ\r\n'
answer = '$VAL,123.4,ON\r\n'
values = { level = 123.4, mode = 1 }

[[vector]]
group = "values"
request = '$READ\r\n'
answer = '$VAL,---,OFF\r\n'
values = { mode = 0 }
flags = { level = "no_value" }

[[vector]]
write = "mode"
value = "on"
request = '$MODE=ON\r\n'
answer = '$OK\r\n'
"""


def skeleton(words: HeadWords) -> str:
    """Return the text of a profile with two points, to be replaced by those of the device."""
    return OPENING + head(words, "serial") + BODY
