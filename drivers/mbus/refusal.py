"""What a meter says instead of its data, and what is refused here, each by its name. Pure.

Source: EN 13757-3:2018, general application errors, and its CI fields; "The M-Bus: A
Documentation", Rev. 4.8, 6.6. EN 13757-7:2018, 7.6: configuration field with the security mode.
"""

from __future__ import annotations

from typing import Final

from gateway.model.errors import DeviceError, DeviceRejectedError, NoResponseError

CI_ERROR: Final = 0x70
_BUSY: Final = 8
_ENCRYPTING: Final = range(1, 16)
"""Security modes in use. Those above are reserved: old meters that know of none have a signature
of their own there, and their data is plain."""
_ERRORS: Final = {
    0: "unspecified error",
    1: "it does not know this kind of request",
    2: "buffer too long",
    3: "too many records",
    4: "a record breaks off",
    5: "more than ten DIFEs",
    6: "more than ten VIFEs",
    8: "busy",
    9: "it was read too often",
}
_CODINGS: Final = {
    0x71: "an alarm instead of data",
    0x76: "the variable data structure with the high byte first",
    0x77: "the fixed data structure with the high byte first",
    0x78: "data without a header",
    0x79: "a compact frame",
    0x7A: "data with a short header",
}


def refuse(control_information: int, data: bytes) -> DeviceError:
    """Return the error for an answer that is no data with a long header."""
    if control_information == CI_ERROR:
        code = data[0] if data else 0
        why = _ERRORS.get(code, f"error {code}")
        if code == _BUSY:
            msg = "the meter says that it is busy"
            return NoResponseError(msg, answer=data)
        msg = f"the meter refuses: {why}"
        return DeviceRejectedError(msg, code=code, answer=data)
    coding = _CODINGS.get(control_information, f"control information {control_information:02X}h")
    msg = f"the meter answers with {coding}, which is not understood here"
    return DeviceRejectedError(msg, code=control_information, answer=data)


def refuse_encrypted(configuration: int) -> None:
    """Let only plain data pass.

    Args:
        configuration: the two last bytes of the header, once called signature.

    Raises:
        DeviceRejectedError: with the security mode as its code.
    """
    mode = configuration >> 8 & 0x1F
    if mode in _ENCRYPTING:
        msg = (
            f"the meter encrypts its data (security mode {mode}): "
            "have encryption switched off on the wired bus"
        )
        raise DeviceRejectedError(msg, code=mode)
