"""GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext.

The public key is an X.509 SubjectPublicKeyInfo, the private key a PKCS #8 PrivateKeyInfo, both DER (AWS KMS API
Reference, "GenerateDataKeyPair"). Large RSA keys take seconds to make, so these run in a thread.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sandbox.kms.call import Call
from sandbox.kms.ciphertext import encrypt
from sandbox.kms.errors import unsupported
from sandbox.kms.lookup import find_by_id
from sandbox.kms.registry import Answer, operation
from sandbox.kms.service import Service
from sandbox.kms.use import authorize_use, check_context, refuse_recipient, stop_dry_run

_Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _rsa(bits: int) -> Callable[[], _Private]:
    return lambda: rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _ec(curve: ec.EllipticCurve) -> Callable[[], _Private]:
    return lambda: ec.generate_private_key(curve)


_MAKERS: dict[str, Callable[[], _Private]] = {
    "RSA_2048": _rsa(2048),
    "RSA_3072": _rsa(3072),
    "RSA_4096": _rsa(4096),
    "ECC_NIST_P256": _ec(ec.SECP256R1()),
    "ECC_NIST_P384": _ec(ec.SECP384R1()),
    "ECC_NIST_P521": _ec(ec.SECP521R1()),
    "ECC_SECG_P256K1": _ec(ec.SECP256K1()),
    "ECC_NIST_EDWARDS25519": ed25519.Ed25519PrivateKey.generate,
}


@operation("GenerateDataKeyPair", read_only=True, slow=True)
def generate_data_key_pair(service: Service, call: Call) -> Answer:
    """A fresh key pair, the private key plain and sealed."""
    return _generate(service, call, "kms:GenerateDataKeyPair", with_plaintext=True)


@operation("GenerateDataKeyPairWithoutPlaintext", read_only=True, slow=True)
def generate_data_key_pair_without_plaintext(service: Service, call: Call) -> Answer:
    """A fresh key pair, the private key sealed only."""
    action = "kms:GenerateDataKeyPairWithoutPlaintext"
    return _generate(service, call, action, with_plaintext=False)


def _generate(service: Service, call: Call, action: str, *, with_plaintext: bool) -> Answer:
    wanted = call.parameters
    refuse_recipient(call)
    spec = wanted["KeyPairSpec"]
    context = check_context(wanted.get("EncryptionContext", {}))
    key = find_by_id(service, call, wanted["KeyId"], aliases=True, foreign=True)
    conditions = {"kms:datakeypairspec": (spec,)}
    authorize_use(
        service, call, action, key, context=context, key_id=wanted["KeyId"], conditions=conditions
    )
    if spec not in _MAKERS:
        raise unsupported(f"KeyPairSpec {spec} is not supported here.")
    stop_dry_run(call)
    pair = _MAKERS[spec]()
    private = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    key_set = service.store.key_set(key)
    call.material_id = key_set.current.id
    answer = {
        "PrivateKeyCiphertextBlob": encrypt(
            private, key_set, context, sealing_key=service.store.sealing_key
        ),
        "PublicKey": pair.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ),
        "KeyId": key.arn,
        "KeyPairSpec": spec,
        "KeyMaterialId": key_set.current.id,
    }
    return answer | {"PrivateKeyPlaintext": private} if with_plaintext else answer
