"""AWS Encryption SDK for Python with its caching materials manager, in front of the same KMS stand-in as ours."""

from __future__ import annotations

from aws_encryption_sdk import (
    CachingCryptoMaterialsManager,
    CommitmentPolicy,
    EncryptionSDKClient,
    LocalCryptoMaterialsCache,
)
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.key_providers.kms import KMSMasterKey, KMSMasterKeyConfig

from bench.stand_ins import CountingKms, make_context, make_tenant
from bench.workload import Calls, Work, same
from crypto.keyring import TenantKeyRef


class Sdk:
    """One client and one cache for all tenants, as its users have."""

    def __init__(self, kms: CountingKms, algorithm: Algorithm, *, cache_size: int = 1_000) -> None:
        policy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
        self._client = EncryptionSDKClient(commitment_policy=policy)
        self._cache = LocalCryptoMaterialsCache(cache_size)
        self._kms = kms
        self._algorithm = algorithm

    def manager(self, tenant: TenantKeyRef) -> CachingCryptoMaterialsManager:
        """The materials manager of one tenant's key; a message limit as far away as ours."""
        config = KMSMasterKeyConfig(key_id=str(tenant.key).encode(), client=self._kms)
        return CachingCryptoMaterialsManager(
            master_key_provider=KMSMasterKey(config=config),
            cache=self._cache,
            max_age=300.0,
            max_messages_encrypted=2**28,
        )

    def seal(self, plaintext: bytes, manager: object, context: dict[str, str]) -> bytes:
        """One message."""
        message, _ = self._client.encrypt(
            source=plaintext,
            materials_manager=manager,
            encryption_context=context,
            algorithm=self._algorithm,
        )
        return bytes(message)

    def open(self, message: bytes, manager: object) -> bytes:
        """Its plaintext. The caching manager takes no encryption context to compare with."""
        plaintext, _ = self._client.decrypt(source=message, materials_manager=manager)
        return bytes(plaintext)


class Unsigned:
    """Suite 0x0478, the one that we write."""

    algorithm = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY

    def prepare(self, work: Work) -> Calls:
        """One message of the part's bytes."""
        sdk, tenant, plaintext = Sdk(CountingKms(), self.algorithm), make_tenant(1), work.plaintext
        manager, context = sdk.manager(tenant), make_context(tenant).as_dict()
        message = sdk.seal(plaintext, manager, context)
        same(sdk.open(message, manager), plaintext)
        return Calls(
            lambda: sdk.seal(plaintext, manager, context), lambda: sdk.open(message, manager)
        )


class Signed(Unsigned):
    """Suite 0x0578, the SDK's default, with an ECDSA signature."""

    algorithm = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384
