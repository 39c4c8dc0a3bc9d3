"""The reader's side of a secure channel: AES-128, session keys, cryptograms, MACs. Pure.

Source: OSDP secure channel as libosdp's documentation and sources describe it (session keys from
the panel's random number, cryptograms by S-ENC, MAC chains by S-MAC1 and S-MAC2).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

FACTORY_KEY: Final = bytes(range(0x30, 0x40))
BLOCK: Final = 16


def _block(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the protocol
    return encryptor.update(data) + encryptor.finalize()


def _chain(key: bytes, start: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def _unchain(key: bytes, start: bytes, data: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(start)).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def _flipped(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)


class Session:
    """One handshake, and the channel after it."""

    def __init__(self, base_key: bytes, panel: bytes, own: bytes) -> None:
        """Take the base key and both random numbers of eight bytes."""
        self._panel: Final = panel
        self._own: Final = own
        seed = panel[:6] + bytes(8)
        self._enc: Final = _block(base_key, b"\x01\x82" + seed)
        self._mac1: Final = _block(base_key, b"\x01\x01" + seed)
        self._mac2: Final = _block(base_key, b"\x01\x02" + seed)
        self._panel_mac = bytes(BLOCK)
        self._own_mac = bytes(BLOCK)
        self.up = False

    def cryptogram(self) -> bytes:
        """Return the proof that this reader knows the key."""
        return _block(self._enc, self._panel + self._own)

    def accept(self, proof: bytes) -> bytes | None:
        """Return the first MAC when the panel's proof is right, and let the channel stand."""
        if proof != _block(self._enc, self._own + self._panel):
            return None
        self._own_mac = _block(self._mac2, _block(self._mac1, proof))
        self.up = True
        return self._own_mac

    def heard(self, signed: bytes, mac: bytes) -> bool:
        """Say whether the MAC of a command is right, and go on from it."""
        made = self._mac(signed, self._own_mac)
        if made[:4] != mac:
            return False
        self._panel_mac = made
        return True

    def opened(self, body: bytes) -> bytes | None:
        """Return what an encrypted body of a command holds; before `heard` is told of it."""
        if not body or len(body) % BLOCK:
            return None
        plain = _unchain(self._enc, _flipped(self._own_mac), body).rstrip(b"\0")
        return plain[:-1] if plain[-1:] == b"\x80" else None

    def hidden(self, body: bytes) -> bytes:
        """Return the body of a reply, encrypted."""
        padded = body + b"\x80"
        padded += bytes(-len(padded) % BLOCK)
        return _chain(self._enc, _flipped(self._panel_mac), padded)

    def sign(self, frame: bytes) -> bytes:
        """Return the four bytes of MAC of a reply, and go on from it."""
        self._own_mac = self._mac(frame, self._panel_mac)
        return self._own_mac[:4]

    def _mac(self, data: bytes, start: bytes) -> bytes:
        if len(data) % BLOCK:
            data += b"\x80"
            data += bytes(-len(data) % BLOCK)
        if len(data) > BLOCK:
            start = _chain(self._mac1, start, data[:-BLOCK])[-BLOCK:]
        return _chain(self._mac2, start, data[-BLOCK:])
