"""The environment of each process: the whole configuration of the gateway, and no more secrets than its part needs."""

from __future__ import annotations

from typing import Literal

from sandbox.files import secret
from sandbox.identities import ADMIN, AUDIT, DATABASE_ADMIN, credentials_path, use_profile
from sandbox.layout import ACCOUNT, GLOBAL_CLUSTER, REGIONS, Home
from sandbox.ports import Ports
from sandbox.postgres.configuration import DATABASE
from sandbox.postgres.roles import password_path
from sandbox.processes import clean_environment
from sandbox.signing import private_key_path, public_key_path

Part = Literal["web", "worker", "beat", "manage", "failover"]


def process_environment(home: Home, ports: Ports, part: Part, region: str) -> dict[str, str]:
    """The environment of a web process, a worker, beat or `manage.py` of that Region, or of a shell that moves the
    writer there.

    Only a worker and that shell can reach the admin role of KMS and sign, only `manage` the owner of the tables and the
    audit role, only that shell RDS.
    """
    return {
        **clean_environment(home),
        **_gateway(home, region),
        **_signing(home, part),
        **_databases(home, ports, part, region),
        **_aws(home, ports, part, region),
    }


def _gateway(home: Home, region: str) -> dict[str, str]:
    secret(home.secrets / "secret-key", 48)
    return {
        "DJANGO_SETTINGS_MODULE": "gateway.settings",
        "GATEWAY_ENVIRONMENT": "sandbox",
        "GATEWAY_REGION": region,
        "GATEWAY_REGIONS": ",".join(REGIONS),
        "GATEWAY_SECRET_KEY_FILE": str(home.secrets / "secret-key"),
        "GATEWAY_ALLOWED_HOSTS": "127.0.0.1,localhost",
        "GATEWAY_COOKIES_NEED_HTTPS": "0",
        "GATEWAY_STATIC_ROOT": str(home.path / "static"),
        "GATEWAY_BROKER_URL": f"redis+socket://{home.broker_socket}",
    }


def _signing(home: Home, part: Part) -> dict[str, str]:
    """Workers sign; everybody else can only check."""
    if part in ("worker", "failover"):
        return {"GATEWAY_SIGNING_KEY_FILE": str(private_key_path(home))}
    return {"GATEWAY_SIGNING_PUBLIC_KEY_FILE": str(public_key_path(home))}


def _databases(home: Home, ports: Ports, part: Part, region: str) -> dict[str, str]:
    given = {
        "GATEWAY_DATABASE_NAME": DATABASE,
        "GATEWAY_DATABASE_SSLMODE": "verify-full",
        "GATEWAY_DATABASE_SSLROOTCERT": str(home.ca_certificate),
        # The host list of all Regions: libpq finds the one that takes writes, before and after a failover.
        "GATEWAY_WRITER_HOST": ",".join("127.0.0.1" for _ in REGIONS),
        "GATEWAY_WRITER_PORT": ",".join(str(ports.postgres(each)) for each in REGIONS),
        # The Region's own reader; while it is away, those of the others.
        "GATEWAY_READER_HOST": ",".join("127.0.0.1" for _ in REGIONS),
        "GATEWAY_READER_PORT": ",".join(str(ports.postgres(each)) for each in _own_first(region)),
    }
    if part != "beat":  # it reads the clock and writes to the broker
        given["GATEWAY_DATABASE_USER"] = "gateway_app"
        given["GATEWAY_DATABASE_PASSWORD_FILE"] = str(password_path(home, "gateway_app"))
    if part == "manage":
        given["GATEWAY_MIGRATION_USER"] = "gateway_owner"
        given["GATEWAY_MIGRATION_PASSWORD_FILE"] = str(password_path(home, "gateway_owner"))
    return given


def _own_first(region: str) -> list[str]:
    return sorted(REGIONS, key=lambda each: (each != region, REGIONS.index(each)))


def _aws(home: Home, ports: Ports, part: Part, region: str) -> dict[str, str]:
    role = f"arn:aws:iam::{ACCOUNT}:role/mrk-gateway"
    # One endpoint a Region, behind which all its services are, and with which they are lost.
    endpoints = ",".join(f"{each}=http://127.0.0.1:{ports.kms(each)}" for each in REGIONS)
    given = {
        "GATEWAY_AWS_ACCOUNT_ID": ACCOUNT,
        "GATEWAY_KMS_ENDPOINTS": endpoints,
        "GATEWAY_SSM_ENDPOINTS": endpoints,
        "GATEWAY_KMS_USE_ROLE_ARN": f"{role}-use-{{region}}",
        "GATEWAY_KMS_ADMIN_ROLE_ARN": f"{role}-admin",
        "GATEWAY_KMS_AUDIT_ROLE_ARN": f"{role}-audit",
        # Neither this person's own profiles nor a metadata service: only what this file names.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    if part in ("web", "worker", "failover"):
        given["GATEWAY_KMS_USE_PROFILE"] = use_profile(region)
        given["AWS_SHARED_CREDENTIALS_FILE"] = credentials_path(home, f"{part}-{region}")
    if part in ("worker", "failover"):
        given["GATEWAY_KMS_ADMIN_PROFILE"] = ADMIN
    if part == "failover":
        given["GATEWAY_GLOBAL_CLUSTER"] = GLOBAL_CLUSTER
        given["GATEWAY_DATABASE_ADMIN_PROFILE"] = DATABASE_ADMIN
        given["GATEWAY_RDS_ENDPOINTS"] = endpoints
    if part == "manage":
        given["GATEWAY_KMS_AUDIT_PROFILE"] = AUDIT
        given["AWS_SHARED_CREDENTIALS_FILE"] = credentials_path(home, "operator")
    return given
