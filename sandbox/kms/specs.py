"""The kinds of keys that there are here: what each is for, how long its material is, which algorithm it takes.

Source: AWS KMS API Reference, "CreateKey"; AWS KMS Developer Guide, "HMAC keys in AWS KMS" and "Requirements for
imported key material". Asymmetric keys are not among them: the gateway makes none.
"""

from __future__ import annotations

from dataclasses import dataclass

ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"

SYMMETRIC_DEFAULT = "SYMMETRIC_DEFAULT"


@dataclass(frozen=True, slots=True)
class Spec:
    """One KeySpec. `importable` are the lengths in bytes of material that may be imported."""

    name: str
    usage: str
    algorithm: str
    material_bytes: int
    importable: range

    @property
    def rotates(self) -> bool:
        """Whether its material may be another one day. An HMAC must always be verifiable, so its key stays."""
        return self.usage == ENCRYPT_DECRYPT


def _hmac(bits: int, longest: int) -> Spec:
    size = bits // 8
    algorithm, importable = f"HMAC_SHA_{bits}", range(size, longest + 1)
    return Spec(f"HMAC_{bits}", GENERATE_VERIFY_MAC, algorithm, size, importable)


SPECS = {
    spec.name: spec
    for spec in (
        Spec(SYMMETRIC_DEFAULT, ENCRYPT_DECRYPT, SYMMETRIC_DEFAULT, 32, range(32, 33)),
        _hmac(224, 64),
        _hmac(256, 64),
        _hmac(384, 128),
        _hmac(512, 128),
    )
}
