"""What can be wrong with something that came over the wire: one error, with a reason to count."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused; the text is the name of its counter."""

    TOPIC = "topic"
    """The topic is not one of the contract."""
    TOO_LARGE = "too_large"
    """More bytes than the contract allows."""
    CBOR = "cbor"
    """Not one well-formed CBOR item of definite length."""
    FORM = "form"
    """Well-formed, but not of the shape the contract gives."""
    VERSION = "version"
    """Of a version this receiver does not speak."""
    MISPLACED = "misplaced"
    """The gateway or stream inside is not that of the topic."""
    CERTIFICATE = "certificate"
    """The certificate is not one of the city, not valid then, or of another gateway."""
    SIGNATURE = "signature"
    """The signature does not verify."""
    WRAP = "wrap"
    """Our own wrap, or the catalogue under its key, does not open."""
    SEALED = "sealed"
    """The batch does not open under its epoch key."""
    INSIDE = "inside"
    """The batch opens, and what is inside is malformed."""


class WireError(Exception):
    """Something that came is not as the contract says. It is counted and changes nothing."""

    def __init__(self, reason: Reason, message: str) -> None:
        """Take the reason to count by and the sentence for the log."""
        self.reason = reason
        super().__init__(f"{reason}: {message}")


class KeyFileError(Exception):
    """A key file of the receiver itself cannot be used: the receiver does not start."""
