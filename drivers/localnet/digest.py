"""Who we are, as a server asks for it: Basic and Digest. Pure.

Source: RFC 7617 (Basic), RFC 7616 (Digest; MD5 and SHA-256, quality of protection `auth`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PARAMETER: Final = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME: Final = re.compile(r"^\s*Digest\s+", re.IGNORECASE)
LONGEST_CHALLENGE: Final = 2048
_HASHES: Final = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class ChallengeError(ValueError):
    """The server asks in a way that is not answered here."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to know (RFC 7616, 3.3)."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str | None


def basic(user: str, password: str) -> str:
    """Return the value of Authorization (RFC 7617, 2)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def read_challenge(header: str) -> Challenge:
    """Return what stands in one WWW-Authenticate header.

    Raises:
        ChallengeError: no Digest, another algorithm, or no `auth` among its qualities.
    """
    if len(header) > LONGEST_CHALLENGE or not _SCHEME.match(header):
        msg = "the server does not ask for Digest"
        raise ChallengeError(msg)
    found: Mapping[str, str] = {
        name.lower(): quoted or plain
        for name, quoted, plain in _PARAMETER.findall(_SCHEME.sub("", header))
    }
    algorithm = found.get("algorithm", "MD5").upper()
    if algorithm not in _HASHES:
        msg = "the server wants another algorithm than MD5 or SHA-256"
        raise ChallengeError(msg)
    qualities = {each.strip().lower() for each in found.get("qop", "").split(",")}
    if "auth" not in qualities or not {"realm", "nonce"} <= found.keys():
        msg = "the server wants another quality than auth, or says no realm or nonce"
        raise ChallengeError(msg)
    texts = (found["realm"], found["nonce"], found.get("opaque", ""))
    if any(not text.isprintable() or '"' in text or "\\" in text for text in texts):
        msg = "the server's realm, nonce or opaque cannot be sent back"
        raise ChallengeError(msg)
    return Challenge(found["realm"], found["nonce"], algorithm, found.get("opaque"))


def digest(
    challenge: Challenge,
    user: str,
    password: str,
    method: str,
    target: str,
    cnonce: str,
    count: int = 1,
) -> str:
    """Return the value of Authorization (RFC 7616, 3.4).

    Args:
        challenge: what the server asked.
        user: who we are.
        password: and that we know.
        method: of the request.
        target: path and query, as they stand in the request.
        cnonce: random, ours.
        count: of requests with this nonce.
    """

    def hashed(text: str) -> str:
        return _HASHES[challenge.algorithm](text.encode()).hexdigest()

    turn = f"{count:08x}"
    who = hashed(f"{user}:{challenge.realm}:{password}")
    what = hashed(f"{method}:{target}")
    response = hashed(f"{who}:{challenge.nonce}:{turn}:{cnonce}:auth:{what}")
    parts = [
        f'username="{user}"',
        f'realm="{challenge.realm}"',
        f'uri="{target}"',
        f"algorithm={challenge.algorithm}",
        f'nonce="{challenge.nonce}"',
        f"nc={turn}",
        f'cnonce="{cnonce}"',
        "qop=auth",
        f'response="{response}"',
    ]
    if challenge.opaque is not None:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Digest " + ", ".join(parts)
