"""Places of a device key for tests: a softhsm2 token and a swtpm TPM, both without privileges."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

ROOT: Final = Path(__file__).parent.parent
MODULES: Final = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
    *Path("/usr/lib64").glob("**/libsofthsm2.so"),
)
TOKEN, PIN = "mayak", "1357"
KEY, KEY_384, KEY_DECRYPTS = "device", "device-384", "device-decrypts"
HANDLE, HANDLE_OPEN, HANDLE_RSA = "0x81010001", "0x81010002", "0x81010003"
"""With the PIN; without one; a key of another kind."""
TOOLS: Final = ("swtpm", "tpm2_createprimary", "tpm2_evictcontrol", "tpm2_readpublic", "tpm2_sign")
START_WITHIN_S: Final = 10.0
_HEAR: Final = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"


def softhsm() -> Path | None:
    """Return the library of softhsm2, or None when it or its tool is not installed."""
    there = [module for module in MODULES if module.exists()]
    return there[0] if there and shutil.which("softhsm2-util") else None


def make_token(folder: Path) -> tuple[ec.EllipticCurvePublicKey, Path]:
    """Make a token with keys in it; return the public key of `KEY` and what SOFTHSM2_CONF must be.

    The library reads SOFTHSM2_CONF once in the life of a process, so the keys are made in another.
    """
    tokens = folder / "tokens"
    tokens.mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n", encoding="utf-8")
    environ = {**os.environ, "SOFTHSM2_CONF": str(config)}
    _run("softhsm2-util", "--init-token", "--free", "--label", TOKEN, "--pin", PIN,
         "--so-pin", "2468", environ=environ)  # fmt: skip
    code = "from tests.key_places import make_keys; make_keys()"
    public = bytes.fromhex(_run(sys.executable, "-c", code, environ=environ, folder=ROOT))
    key = load_der_public_key(public)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key, config


def make_keys() -> None:
    """Make the keys of the token, and print the public key of `KEY`: DER in hex."""
    from pkcs11 import (  # noqa: PLC0415 - only where it is installed
        Attribute,
        KeyType,
        MechanismFlag,
        ObjectClass,
        PublicKey,
        lib,
    )
    from pkcs11.util.ec import (  # noqa: PLC0415 - likewise
        encode_ec_public_key,
        encode_named_curve_parameters,
    )

    signs = MechanismFlag.SIGN | MechanismFlag.VERIFY
    with lib(str(softhsm())).get_token(token_label=TOKEN).open(rw=True, user_pin=PIN) as session:
        for label, curve, can in (
            (KEY, "secp256r1", signs),
            (KEY_384, "secp384r1", signs),
            (KEY_DECRYPTS, "secp256r1", MechanismFlag.DERIVE),
        ):
            named = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            params = session.create_domain_parameters(KeyType.EC, named, local=True)
            params.generate_keypair(store=True, label=label, capabilities=can)
        public = session.get_key(label=KEY, object_class=ObjectClass.PUBLIC_KEY)
        assert isinstance(public, PublicKey)
        sys.stdout.write(encode_ec_public_key(public).hex())


def tpm_tools() -> bool:
    """Say whether swtpm and tpm2-tools are installed."""
    return all(shutil.which(tool) for tool in TOOLS)


@contextmanager
def running_tpm(folder: Path) -> Iterator[str]:
    """Run a TPM and yield how tpm2-tools reach it."""
    for _ in range(5):  # somebody else may take one of the two ports first
        port = _two_free_ports()
        command = [
            "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}",
            "--server", f"type=tcp,port={port},bindaddr=127.0.0.1",
            "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1",
            "--flags", "not-need-init,startup-clear",
        ]  # fmt: skip
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        tcti = f"swtpm:host=127.0.0.1,port={port}"
        try:
            if _answers(tcti, process):
                yield tcti
                return
        finally:
            process.terminate()
            process.wait()
    msg = "swtpm does not start"
    raise RuntimeError(msg)


def make_tpm_keys(folder: Path, tcti: str) -> ec.EllipticCurvePublicKey:
    """Make the keys of the handles above, and return the public key of `HANDLE`."""
    context, public = folder / "key.ctx", folder / "key.pem"
    for handle, kind, auth in (
        (HANDLE, "ecc256:ecdsa-sha256:null", ["-p", PIN]),
        (HANDLE_OPEN, "ecc256:ecdsa-sha256:null", []),
        (HANDLE_RSA, "rsa2048:rsassa-sha256:null", []),
    ):
        _run("tpm2_createprimary", "-Q", "-T", tcti, "-C", "o", "-G", kind, "-a", _HEAR,
             *auth, "-c", str(context))  # fmt: skip
        _run("tpm2_evictcontrol", "-Q", "-T", tcti, "-C", "o", "-c", str(context), handle)
        _run("tpm2_flushcontext", "-Q", "-T", tcti, "-t")
    _run("tpm2_readpublic", "-Q", "-T", tcti, "-c", HANDLE, "-f", "pem", "-o", str(public))
    key = load_pem_public_key(public.read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def _two_free_ports() -> int:
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def _answers(tcti: str, process: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + START_WITHIN_S
    asking = ["tpm2_getcap", "-Q", "-T", tcti, "properties-fixed"]
    while time.monotonic() < until and process.poll() is None:
        if subprocess.run(asking, capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.02)
    return False


def _run(
    *command: str, environ: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environ, cwd=folder
    )
    if done.returncode:
        msg = f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}"
        raise RuntimeError(msg)
    return done.stdout
