"""The user data of a meter: header and records with their values. Pure.

Source: EN 13757-3:2018, 6 (data header, data information block, value information block) as cited
in exmbus; "The M-Bus: A Documentation", Rev. 4.8, 6.3 and 8.
"""

from __future__ import annotations

from typing import Final

from drivers.mbus import fixed, values, vif
from drivers.mbus.link import CI_FIXED, CI_LONG_HEADER
from drivers.mbus.quantities import OPAQUE
from drivers.mbus.reader import Reader
from drivers.mbus.refusal import refuse, refuse_encrypted
from drivers.mbus.telegram import Function, Header, Record, Telegram
from drivers.mbus.vif import MORE, Meaning
from gateway.model.errors import FrameError

HEADER_SIZE: Final = 12
MOST_EXTENSIONS: Final = 10
"""DIFEs of a record, and VIFEs (EN 13757-3, 6.3.5 and 6.4.1)."""

MAKER_TO_THE_END: Final = 0x0F
MORE_RECORDS: Final = 0x1F
FILLER: Final = 0x2F
_SPECIAL: Final = 0x0F
_MOST_TEXT: Final = 0xBF


_FUNCTIONS: Final = tuple(Function)


def decode(control_information: int, data: bytes) -> Telegram:
    """Return what an answer tells.

    Args:
        control_information: the CI field.
        data: the user data behind it.

    Raises:
        FrameError: this is no telegram: it breaks off, or has codes that say no length.
        NoResponseError: the meter says that it is busy.
        DeviceRejectedError: it says why it tells nothing, or speaks what is not understood here: it
            is encrypted, or in another coding.
    """
    if control_information == CI_FIXED:
        return fixed.decode(data)
    if control_information != CI_LONG_HEADER:
        raise refuse(control_information, data)
    if len(data) < HEADER_SIZE:
        msg = "the header of a telegram breaks off"
        raise FrameError(msg, answer=data)
    refuse_encrypted(int.from_bytes(data[10:12], "little"))
    header = Header(bytes(data[:8]), data[8], data[9])
    reader = Reader(data, HEADER_SIZE)
    records: list[Record] = []
    while reader.left:
        start = reader.at
        dif = reader.byte()
        if dif == FILLER:
            continue
        if dif in (MAKER_TO_THE_END, MORE_RECORDS):
            rest = reader.take(reader.left)
            return Telegram(header, tuple(records), dif == MORE_RECORDS, rest)
        records.append(_record(reader, start, dif))
    return Telegram(header, tuple(records), more=False)


def _record(reader: Reader, start: int, dif: int) -> Record:
    """Take one record of which the DIF is taken.

    Raises:
        FrameError: it breaks off, or its length cannot be known.
    """
    if dif & _SPECIAL == _SPECIAL:
        msg = f"data information field {dif:02X}h is reserved"
        raise reader.broken(msg)
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    more, count = bool(dif & MORE), 0
    while more:  # EN 13757-3: each DIFE adds higher bits
        if count == MOST_EXTENSIONS:
            msg = f"a record with more than {MOST_EXTENSIONS} DIFEs"
            raise reader.broken(msg)
        dife = reader.byte()
        storage |= (dife & 0x0F) << (1 + 4 * count)
        tariff |= (dife >> 4 & 3) << (2 * count)
        subunit |= (dife >> 6 & 1) << count
        more, count = bool(dife & MORE), count + 1
    meaning = _value_information(reader)
    head = reader.since(start)
    meaning, value, fault = values.tell(values.take(reader, dif & 0x0F), meaning)
    if meaning.error:
        value, fault = None, meaning.error
    function = _FUNCTIONS[dif >> 4 & 3]
    return Record(function, storage, tariff, subunit, meaning, value, fault, head)


def _value_information(reader: Reader) -> Meaning:
    code = reader.byte()
    more = bool(code & MORE)
    text_behind = False
    match code:
        case vif.TABLE_FB | vif.TABLE_FD:
            table = vif.FB if code == vif.TABLE_FB else vif.FD
            second = reader.byte()
            more = bool(second & MORE)
            meaning = vif.meaning_of(second & 0x7F, table=table)
            if meaning.quantity == OPAQUE:
                meaning = Meaning(OPAQUE, qualifiers=(f"vif-{code:02x}-{second & 0x7F:02x}",))
        case _ if code & 0x7F == vif.PLAIN_TEXT:
            text = _text_ahead(reader)
            text_behind = more and text is None
            meaning = Meaning(OPAQUE) if text_behind else vif.plain_text(text or "")
            if not text_behind:
                _skip_text(reader)
        case _ if code & 0x7F == vif.MANUFACTURER:
            meaning = Meaning(OPAQUE, qualifiers=("maker",))
        case _:
            meaning = vif.meaning_of(code & 0x7F, table=vif.PRIMARY)
    changes = _extensions(reader) if more else []
    if text_behind:
        meaning = vif.plain_text(_text_ahead(reader) or "")
        _skip_text(reader)
    if code & 0x7F == vif.MANUFACTURER:
        return meaning
    return _changed(meaning, changes)


def _text_ahead(reader: Reader) -> str | None:
    """Return the text of a unit, if one stands here: a length and so many printable characters.

    M-Bus documentation 8.4.3 puts it before the VIFEs, EN 13757-3:2018, C.2 behind them, and there
    are meters of both kinds.
    """
    ahead = reader.ahead(1 + _MOST_TEXT)
    if not ahead or len(ahead) <= ahead[0]:
        return None
    text = ahead[ahead[0] : 0 : -1].decode("latin-1")  # the last character comes first
    return text if text and text.isprintable() else None


def _skip_text(reader: Reader) -> None:
    reader.take(reader.byte())


def _extensions(reader: Reader) -> list[int]:
    """Return the VIFEs, each with its top bit."""
    found: list[int] = []
    while not found or found[-1] & MORE:
        if len(found) == MOST_EXTENSIONS:
            msg = f"a record with more than {MOST_EXTENSIONS} VIFEs"
            raise reader.broken(msg)
        found.append(reader.byte())
    return found


def _changed(meaning: Meaning, extensions: list[int]) -> Meaning:
    """Return what the VIFEs make of a meaning."""
    codes = [extension & 0x7F for extension in extensions]
    place = 0
    while place < len(codes):
        code = codes[place]
        place += 1
        if code == vif.MANUFACTURER:  # all behind it is the manufacturer's own
            return vif.of_maker(meaning, tuple(codes[place:]))
        if code == vif.PLAIN_TEXT:  # FCh: the next one is of another table
            meaning = vif.phase(meaning, codes[place] if place < len(codes) else 0)
            place += 1
        else:
            meaning = vif.qualify(meaning, code)
    return meaning
