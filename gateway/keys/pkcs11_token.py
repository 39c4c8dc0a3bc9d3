"""The device key in a PKCS#11 token: a smart card, a USB token, a security chip.

`pkcs11` (the extra of that name) is loaded when a token is opened, never before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from gateway.keys.cose import COORDINATE_LEN
from gateway.keys.device import read_pin
from gateway.model.errors import KeyRefusedError, KeyUnavailableError

if TYPE_CHECKING:
    from pkcs11 import Session, SignMixin, Token

NOT_INSTALLED: Final = 'the package python-pkcs11 is not installed: pip install "mayak[pkcs11]"'


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where the key is."""

    module: Path
    """The shared library that speaks to the token."""
    token: str
    """Label of the token."""
    key: str
    """Label of the private key in it."""
    pin_file: Path


@dataclass(slots=True)
class TokenKeyStore:
    """A P-256 key that never leaves its token. One session is kept; a lost one is opened again."""

    place: TokenPlace
    certificate: bytes
    _session: Session | None = field(default=None, repr=False)
    _key: SignMixin | None = field(default=None, repr=False)

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes.

        Raises:
            KeyUnavailableError: the token is not there, or does not sign now.
            KeyRefusedError: the PIN, the label or the kind of the key is wrong.

        Source:
            PKCS #11 Current Mechanisms 3.0 §2.3.1: a CKM_ECDSA signature is r and s, each as long
            as the order of the curve.
        """
        errors, ecdsa = _pkcs11()
        digest = hashlib.sha256(data).digest()
        kept = self._key is not None
        try:
            signature = (self._key or self._open()).sign(digest, mechanism=ecdsa)
        except errors as error:
            self.close()
            if kept:  # the token may have been out for a moment: its session is gone for good
                return self.sign(data)
            self._explain(error)
        if len(signature) != 2 * COORDINATE_LEN:
            self.close()
            msg = f"key {self.place.key!r} in token {self.place.token!r} is not a P-256 key"
            raise KeyRefusedError(msg, option="pkcs11_key")
        return bytes(signature)

    def close(self) -> None:
        """Let go of the session; the next signature opens one again."""
        session, self._session, self._key = self._session, None, None
        if session is None:
            return
        errors, _ = _pkcs11()
        try:
            session.close()
        except errors:
            return  # the token is out: its session went with it

    def _open(self) -> SignMixin:
        from pkcs11 import (  # noqa: PLC0415 - only with a token
            Attribute,
            KeyType,
            ObjectClass,
            SignMixin,
            UserAlreadyLoggedIn,
        )

        place = self.place
        pin = read_pin(place.pin_file)
        token = self._token()
        try:
            self._session = token.open(user_pin=pin)
        except UserAlreadyLoggedIn:  # PKCS #11: a login is of the program, not of one session
            self._session = token.open()
        private = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.EC}
        keys = {str(key[Attribute.LABEL]): key for key in self._session.get_objects(private)}
        if place.key not in keys:
            there = ", ".join(map(repr, sorted(keys))) or "none"
            msg = (
                f"token {place.token!r} has no EC private key {place.key!r} (there: {there}): "
                "put the label right, or make the key"
            )
            self.close()
            raise KeyRefusedError(msg, option="pkcs11_key")
        key = keys[place.key]
        if not isinstance(key, SignMixin):
            self.close()
            msg = f"key {place.key!r} in token {place.token!r} may not sign: make one that may"
            raise KeyRefusedError(msg, option="pkcs11_key")
        self._key = key
        return key

    def _token(self) -> Token:
        import pkcs11  # noqa: PLC0415 - only with a token

        place = self.place
        try:
            library = pkcs11.lib(str(place.module))
        except pkcs11.PKCS11Error as error:
            msg = f"the library {place.module} does not load: {error}"
            raise KeyRefusedError(msg, option="pkcs11_module") from error
        tokens = {str(token.label): token for token in library.get_tokens()}
        if place.token not in tokens:
            there = ", ".join(map(repr, sorted(tokens))) or "none"
            msg = (
                f"there is no token {place.token!r} (there: {there}): "
                "plug it in, or put keys.pkcs11_token right"
            )
            raise KeyUnavailableError(msg)
        return tokens[place.token]

    def _explain(self, error: Exception) -> NoReturn:
        import pkcs11  # noqa: PLC0415 - only with a token

        token, file = self.place.token, self.place.pin_file
        match error:
            case pkcs11.PinLocked():
                msg = f"token {token!r} is locked after wrong PINs: unlock it with its SO PIN"
                raise KeyRefusedError(msg, option="pin_file") from error
            case pkcs11.PinIncorrect() | pkcs11.PinInvalid() | pkcs11.PinLenRange():
                msg = (
                    f"token {token!r} refuses the PIN in {file}: put the right one there before "
                    "the next start, for a token locks itself after a few wrong ones"
                )
                raise KeyRefusedError(msg, option="pin_file") from error
            case pkcs11.UserPinNotInitialized() | pkcs11.PinExpired():
                msg = f"the PIN of token {token!r} was never set or has expired: set it"
                raise KeyRefusedError(msg, option="pin_file") from error
            case pkcs11.MechanismInvalid() | pkcs11.KeyTypeInconsistent():
                msg = f"key {self.place.key!r} in token {token!r} cannot sign with ECDSA"
                raise KeyRefusedError(msg, option="pkcs11_key") from error
            case _:
                what = f"{type(error).__name__} {error}".strip()
                msg = f"token {token!r} does not sign ({what}): is it plugged in?"
                raise KeyUnavailableError(msg) from error


def _pkcs11() -> tuple[type[Exception], object]:
    """Return the root of the library's errors, and the mechanism."""
    try:
        from pkcs11 import Mechanism, PKCS11Error  # noqa: PLC0415 - only with a token
    except ImportError as error:
        raise KeyRefusedError(NOT_INSTALLED, option="store") from error
    return PKCS11Error, Mechanism.ECDSA
