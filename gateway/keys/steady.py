"""A key store that leaves a token in peace that is out, and says once that it went or came back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.keys.device import KeyStore
from gateway.model.errors import KeyRefusedError, KeyUnavailableError

AGAIN_AFTER_S: Final = 60.0
"""A TPM that hangs costs the store's thread a few seconds each time."""


@dataclass(slots=True)
class SteadyKeyStore:
    """Stands before another key store; one signature at a time.

    After a failure it fails at once for a minute; after a refusal (a wrong PIN counts each
    time it is shown) until the next start.
    """

    inner: KeyStore
    monotonic_s: Callable[[], float]
    changed: Callable[[KeyUnavailableError | None], object] = lambda _: None
    """Called with the failure once the key is gone, with None once it is back; on any thread."""
    _failed: KeyUnavailableError | None = None
    _failed_at_s: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def certificate(self) -> bytes:
        """Return the device certificate, DER."""
        return self.inner.certificate

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes.

        Raises:
            KeyUnavailableError: the key cannot be used, or could not a moment ago.
        """
        with self._lock:
            failed = self._failed
            if failed is not None and not self._may_ask_again(failed):
                raise KeyUnavailableError(str(failed)) from failed
            try:
                signature = self.inner.sign(data)
            except KeyUnavailableError as error:
                self._failed, self._failed_at_s = error, self.monotonic_s()
                if failed is None:
                    self.changed(error)
                raise
            if failed is not None:
                self._failed = None
                self.changed(None)
            return signature

    def _may_ask_again(self, failed: KeyUnavailableError) -> bool:
        if isinstance(failed, KeyRefusedError):
            return False
        return self.monotonic_s() - self._failed_at_s >= AGAIN_AFTER_S
