"""The configuration, read once from the environment: typed, with every fault reported at the same time.

Any variable `X` may be given as `X_FILE`, the path of a file that holds it: secrets stay out of process listings.
`docs/configuration.md` lists them all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from environs import FileAwareEnv, ValidationError, validate

_env = FileAwareEnv(eager=False)
# `CreateKey=50`, `eu-west-1:CreateKey=12.5`, `*=100`; more than 0.
_QUOTA = re.compile(r"(?:[a-z0-9-]+:)?(?:[A-Za-z]+|\*)\s*=\s*(?!0+(?:\.0*)?\Z)\d+(?:\.\d+)?")


def _text(name: str, default: str | None = None) -> str:
    # FileAwareEnv keeps the newline at the end of a secret's file.
    value: str | None = _env.str(name) if default is None else _env.str(name, default)
    return (value or "").strip()


def _one_of(name: str, default: str, *others: str) -> str:
    known = (default, *others)
    return str(
        _env.str(name, default, validate=lambda given: _check_known(given.strip(), known)) or ""
    ).strip()


def _check_known(given: str, known: Collection[str]) -> None:
    if given not in known:
        raise ValidationError(f"{given} is none of {', '.join(known)}.")


def _pairs(name: str) -> Mapping[str, str]:
    """`us-east-2=http://127.0.0.1:1,eu-west-1=...` -> a mapping from Region to URL; empty on AWS."""
    return {
        region.strip(): url.strip()
        for region, found, url in (item.partition("=") for item in _text(name, "").split(","))
        if found
    }


def _words(name: str, default: str | None = None) -> tuple[str, ...]:
    return tuple(word.strip() for word in _text(name, default).split(",") if word.strip())


def _quotas(name: str) -> Mapping[str, float]:
    """`CreateKey=50,eu-west-1:CreateKey=20` -> calls a second by name."""
    given: str = _env.str(name, "", validate=_check_quotas) or ""
    return {} if _faults_of_quotas(given) else dict(map(_quota, _split(given)))


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _quota(text: str) -> tuple[str, float]:
    api, _, rate = text.partition("=")
    return api.strip(), float(rate)


def _faults_of_quotas(text: str) -> list[str]:
    return [part for part in _split(text) if not _QUOTA.fullmatch(part)]


def _check_quotas(text: str) -> None:
    if faults := _faults_of_quotas(text):
        raise ValidationError(f"{faults[0]} is not API=calls a second, or REGION:API=calls.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where the writer and this Region's reader are; host and port may be lists, as libpq takes them."""

    name: str
    user: str
    password: str
    writer_host: str
    writer_port: str
    reader_host: str
    reader_port: str
    write_forwarding: str
    authentication: str
    sslmode: str
    sslrootcert: str
    migration_user: str
    migration_password: str
    pool_size: int
    global_cluster: str
    admin_profile: str
    rds_endpoints: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kms:
    """How this process reaches AWS KMS and Parameter Store, and as whom."""

    account_id: str
    partition: str
    endpoints: Mapping[str, str]
    ssm_endpoints: Mapping[str, str]
    use_role_arn: str
    admin_role_arn: str
    audit_role_arn: str
    use_profile: str
    admin_profile: str
    audit_profile: str
    data_key_max_age_seconds: int
    data_key_cache_seconds: int
    data_key_cache_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Everything that the environment decides."""

    name: str
    region: str
    regions: tuple[str, ...]
    secret_key: str
    signing_key: str
    signing_public_key: str
    debug: bool
    allowed_hosts: tuple[str, ...]
    csrf_trusted_origins: tuple[str, ...]
    cookies_need_https: bool
    broker_url: str
    broker_regions: tuple[str, ...]
    operation_lease_seconds: int
    call_quotas: Mapping[str, float]
    reader_behind_seconds: int
    reencryption_parts_per_second: int
    reencryption_batch: int
    reconcile_seconds: int
    reconcile_batch: int
    reconcile_age_seconds: int
    orphans_seconds: int
    repair_drift: str
    log_level: str
    trust_request_id: bool
    trusted_proxies: int
    static_root: str
    database: Database
    kms: Kms


def _repair() -> str:
    given: str = _env.str("GATEWAY_REPAIR_DRIFT", "off", validate=_check_repair) or ""
    return given


def _check_repair(given: str) -> None:
    if given not in ("off", "safe"):
        raise ValidationError("is `off` or `safe`.")


def _database() -> Database:
    return Database(
        name=_text("GATEWAY_DATABASE_NAME", "gateway"),
        user=_text("GATEWAY_DATABASE_USER", "gateway_app"),
        password=_text("GATEWAY_DATABASE_PASSWORD", ""),
        writer_host=_text("GATEWAY_WRITER_HOST"),
        writer_port=_text("GATEWAY_WRITER_PORT", "5432"),
        reader_host=_text("GATEWAY_READER_HOST"),
        reader_port=_text("GATEWAY_READER_PORT", "5432"),
        write_forwarding=_one_of(
            "GATEWAY_WRITE_FORWARDING", "off", "eventual", "session", "global"
        ),
        authentication=_one_of("GATEWAY_DATABASE_AUTHENTICATION", "password", "iam"),
        sslmode=_text("GATEWAY_DATABASE_SSLMODE", "verify-full"),
        sslrootcert=_text("GATEWAY_DATABASE_SSLROOTCERT", "system"),
        migration_user=_text("GATEWAY_MIGRATION_USER", ""),
        migration_password=_text("GATEWAY_MIGRATION_PASSWORD", ""),
        pool_size=_env.int("GATEWAY_DATABASE_POOL_SIZE", 8),
        global_cluster=_text("GATEWAY_GLOBAL_CLUSTER", ""),
        admin_profile=_text("GATEWAY_DATABASE_ADMIN_PROFILE", ""),
        rds_endpoints=_pairs("GATEWAY_RDS_ENDPOINTS"),
    )


def _kms() -> Kms:
    return Kms(
        account_id=_text("GATEWAY_AWS_ACCOUNT_ID"),
        partition=_text("GATEWAY_AWS_PARTITION", "aws"),
        endpoints=_pairs("GATEWAY_KMS_ENDPOINTS"),
        ssm_endpoints=_pairs("GATEWAY_SSM_ENDPOINTS"),
        use_role_arn=_text("GATEWAY_KMS_USE_ROLE_ARN"),
        admin_role_arn=_text("GATEWAY_KMS_ADMIN_ROLE_ARN"),
        audit_role_arn=_text("GATEWAY_KMS_AUDIT_ROLE_ARN"),
        use_profile=_text("GATEWAY_KMS_USE_PROFILE", ""),
        admin_profile=_text("GATEWAY_KMS_ADMIN_PROFILE", ""),
        audit_profile=_text("GATEWAY_KMS_AUDIT_PROFILE", ""),
        data_key_max_age_seconds=_env.int("GATEWAY_DATA_KEY_MAX_AGE_SECONDS", 86_400),
        data_key_cache_seconds=_env.int("GATEWAY_DATA_KEY_CACHE_SECONDS", 300),
        data_key_cache_size=_env.int("GATEWAY_DATA_KEY_CACHE_SIZE", 20_000),
    )


def read_environment() -> Environment:
    """Read all of it, or raise `environs.EnvValidationError` that names every wrong variable at once."""
    regions = _words("GATEWAY_REGIONS")
    environment = Environment(
        name=_text("GATEWAY_ENVIRONMENT", "production"),
        region=_text("GATEWAY_REGION"),
        regions=regions,
        secret_key=_text("GATEWAY_SECRET_KEY"),
        signing_key=_text("GATEWAY_SIGNING_KEY", ""),
        signing_public_key=_text("GATEWAY_SIGNING_PUBLIC_KEY", ""),
        debug=_env.bool("GATEWAY_DEBUG", False),
        allowed_hosts=_words("GATEWAY_ALLOWED_HOSTS"),
        csrf_trusted_origins=_words("GATEWAY_CSRF_TRUSTED_ORIGINS", ""),
        cookies_need_https=_env.bool("GATEWAY_COOKIES_NEED_HTTPS", True),
        broker_url=_text("GATEWAY_BROKER_URL"),
        broker_regions=_words("GATEWAY_BROKER_REGIONS", ",".join(regions)),
        operation_lease_seconds=_env.int("GATEWAY_OPERATION_LEASE_SECONDS", 30),
        call_quotas=_quotas("GATEWAY_CALL_QUOTAS"),
        reencryption_parts_per_second=_env.int(
            "GATEWAY_REENCRYPTION_PARTS_PER_SECOND", 2_000, validate=validate.Range(min=0)
        ),
        reencryption_batch=_env.int(
            "GATEWAY_REENCRYPTION_BATCH", 500, validate=validate.Range(min=1, max=5_000)
        ),
        reader_behind_seconds=_env.int("GATEWAY_READER_BEHIND_SECONDS", 15),
        reconcile_seconds=_env.int("GATEWAY_RECONCILE_SECONDS", 10),
        reconcile_batch=_env.int("GATEWAY_RECONCILE_BATCH", 100),
        reconcile_age_seconds=_env.int("GATEWAY_RECONCILE_AGE_SECONDS", 3_600),
        orphans_seconds=_env.int("GATEWAY_ORPHANS_SECONDS", 3_600),
        repair_drift=_repair(),
        log_level=_text("GATEWAY_LOG_LEVEL", "INFO"),
        trust_request_id=_env.bool("GATEWAY_TRUST_REQUEST_ID", False),
        trusted_proxies=_env.int("GATEWAY_TRUSTED_PROXIES", 0),
        static_root=_text("GATEWAY_STATIC_ROOT", "staticfiles"),
        database=_database(),
        kms=_kms(),
    )
    _env.seal()
    return environment
