"""The device key in a TPM 2, through the commands of tpm2-tools.

A signature is asked for a few times a day: a process of 20 ms costs less than a library that is
always in memory, and tpm2-tools comes with the distribution (the Python binding has no wheels).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from gateway.keys.device import plain_signature, read_pin
from gateway.model.errors import KeyRefusedError, KeyUnavailableError

TOOL: Final = "tpm2_sign"
WITHIN_S: Final = 5.0
"""A TPM signs in well under a second; it may be busy with somebody else's key before."""

_CODE: Final = re.compile(r"\(0x([0-9A-Fa-f]{3,8})\)")
_SAID: Final = 200

_AUTH_FAIL, _BAD_AUTH, _HANDLE, _SCHEME, _KEY = 0x08E, 0x0A2, 0x08B, 0x092, 0x09C
_FORMAT_ONE: Final = 0x080
_FORMAT_ONE_ERROR: Final = 0x0BF
"""What remains of a format-one code without the number of the handle, parameter or session."""
_LOCKOUT, _RETRY, _YIELDED, _TESTING, _NV_RATE = 0x921, 0x922, 0x908, 0x90A, 0x920
_BUSY: Final = frozenset({_RETRY, _YIELDED, _TESTING, _NV_RATE})


@dataclass(frozen=True, slots=True)
class TpmPlace:
    """Where the key is."""

    handle: str
    """Persistent handle, 0x81......: it outlives a restart of the board, a context does not."""
    tcti: str
    """How the TPM is reached, as tpm2-tools name it: `device:/dev/tpmrm0`."""
    pin_file: Path | None


@dataclass(frozen=True, slots=True)
class TpmKeyStore:
    """A P-256 key that never leaves its TPM."""

    place: TpmPlace
    certificate: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes.

        Raises:
            KeyUnavailableError: the TPM is not there, busy or locked for a while.
            KeyRefusedError: the tool is missing; the handle, its key or the PIN is wrong.
        """
        tool = shutil.which(TOOL)
        if tool is None:
            msg = f"{TOOL} is not installed: install the package tpm2-tools"
            raise KeyRefusedError(msg, option="store")
        place = self.place
        command = [tool, "-Q", "-T", place.tcti, "-c", place.handle]
        command += ["-g", "sha256", "-s", "ecdsa", "-f", "plain", "-d", "-o", "/dev/stdout"]
        try:
            with _in_memory("" if place.pin_file is None else read_pin(place.pin_file)) as pin:
                done = subprocess.run(  # noqa: S603 - our own options; a path is one argument
                    [*command, *(("-p", f"file:/dev/fd/{pin}") if place.pin_file else ())],
                    input=hashlib.sha256(data).digest(),
                    capture_output=True,
                    timeout=WITHIN_S,
                    check=False,
                    env={**os.environ, "LC_ALL": "C"},
                    pass_fds=(pin,),
                )
        except subprocess.TimeoutExpired as error:
            msg = f"the TPM {place.tcti} has not signed within {WITHIN_S:.0f} s: it is busy"
            raise KeyUnavailableError(msg) from error
        except OSError as error:
            msg = f"{tool} does not start: {error.strerror}"
            raise KeyUnavailableError(msg) from error
        if done.returncode:
            self._explain(done.stderr.decode(errors="replace"))
        try:
            return plain_signature(done.stdout)
        except ValueError as error:
            msg = f"the key {place.handle} in the TPM is not a P-256 key for ECDSA"
            raise KeyRefusedError(msg, option="tpm2_handle") from error

    def _explain(self, said: str) -> NoReturn:
        """Raise what a failed call means.

        Source:
            TPM 2.0 Library, Part 2: Structures, §6.6 (TPM_RC).
        """
        place = self.place
        code = tpm_code(said)
        kind = code & _FORMAT_ONE_ERROR if code & _FORMAT_ONE else code
        if kind in {_AUTH_FAIL, _BAD_AUTH}:
            whose = f"the PIN in {place.pin_file}" if place.pin_file else "a call without a PIN"
            msg = (
                f"the TPM refuses {whose} for the key {place.handle}: put keys.pin_file right "
                "before the next start, for a TPM locks itself after a few wrong ones"
            )
            raise KeyRefusedError(msg, option="pin_file")
        if kind == _HANDLE:
            msg = (
                f"the TPM has no key at {place.handle}: put the handle right "
                "(tpm2_getcap handles-persistent lists them), or make the key"
            )
            raise KeyRefusedError(msg, option="tpm2_handle")
        if kind in {_SCHEME, _KEY} or "Invalid signature scheme" in said:
            msg = f"the key {place.handle} in the TPM is not one that signs with ECDSA and SHA-256"
            raise KeyRefusedError(msg, option="tpm2_handle")
        if code == _LOCKOUT:
            msg = (
                "the TPM is locked after wrong PINs: wait, or clear it with tpm2_dictionarylockout"
            )
            raise KeyUnavailableError(msg)
        if code in _BUSY or "Device or resource busy" in said:
            msg = (
                f"the TPM {place.tcti} is busy: device:/dev/tpmrm0 lets several programs take turns"
            )
            raise KeyUnavailableError(msg)
        if "Permission denied" in said:
            msg = (
                f"the TPM {place.tcti} may not be opened: put the user of the agent into group tss"
            )
            raise KeyUnavailableError(msg)
        if "tcti" in said:
            msg = f"there is no TPM at {place.tcti}: enable it, or put keys.tpm2_tcti right"
            raise KeyUnavailableError(msg)
        lines = said.strip().splitlines() or ["it says nothing"]
        msg = f"the TPM {place.tcti} does not sign: {lines[0][:_SAID]}"
        raise KeyUnavailableError(msg)


@contextmanager
def _in_memory(pin: str) -> Iterator[int]:
    """Yield a descriptor of a file in memory: the PIN stands in no command line and on no disk.

    The tool would take the end of the line in the PIN's own file for a part of the PIN.
    """
    descriptor = os.memfd_create("pin")
    try:
        os.write(descriptor, pin.encode())
        yield descriptor
    finally:
        os.close(descriptor)


def tpm_code(said: str) -> int:
    """Return the TPM's response code in what a tool wrote; 0 when there is none of the TPM itself.

    Codes with higher bits are of the layers above it.
    """
    codes = (int(digits, 16) for digits in _CODE.findall(said))
    return next((code for code in codes if 0 < code < 1 << 12), 0)
