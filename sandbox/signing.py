"""The key pair that signs this sandbox's certificates: the private half for workers, the public half for the others."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sandbox.files import write_file
from sandbox.layout import Home


def private_key_path(home: Home) -> Path:
    """The private key, in PEM form."""
    return home.secrets / "signing-key.pem"


def public_key_path(home: Home) -> Path:
    """The public key, in PEM form."""
    return home.secrets / "signing-key.public.pem"


def make_signing_key(home: Home) -> None:
    """Make the private key once, and the public key from it."""
    private = private_key_path(home)
    if not private.exists():
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_file(private, pem.decode("ascii"))
    key = load_pem_private_key(private.read_bytes(), password=None)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(public_key_path(home), public.decode("ascii"))
