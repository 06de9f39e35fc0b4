"""The settings of a team's own Django project: its own users, its own router, and the two apps of this project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from crypto.conf import CryptoSettings


def _database(host: str, session: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["GATEWAY_DATABASE_NAME"],
        "USER": os.environ["GATEWAY_DATABASE_USER"],
        "PASSWORD": Path(os.environ["GATEWAY_DATABASE_PASSWORD_FILE"]).read_text().strip(),
        "HOST": os.environ[f"GATEWAY_{host}_HOST"],
        "PORT": os.environ[f"GATEWAY_{host}_PORT"],
        "OPTIONS": {
            "target_session_attrs": session,
            "sslmode": os.environ["GATEWAY_DATABASE_SSLMODE"],
            "sslrootcert": os.environ["GATEWAY_DATABASE_SSLROOTCERT"],
        },
    }


SECRET_KEY = "a team's own"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.postgres",
    "crypto",
    "tenants",
    "tests.tenants.fields.crm",
]
DATABASES = {"default": _database("WRITER", "read-write"), "local": _database("READER", "any")}
DATABASE_ROUTERS = ["tenants.fields.router.RegistryRouter"]

GATEWAY_ENVIRONMENT = "sandbox"
GATEWAY_REGION = os.environ["GATEWAY_REGION"]
GATEWAY_REGIONS = tuple(os.environ["GATEWAY_REGIONS"].split(","))
KMS_USE_ROLE_ARN = os.environ["GATEWAY_KMS_USE_ROLE_ARN"]
KMS_ADMIN_ROLE_ARN = os.environ["GATEWAY_KMS_ADMIN_ROLE_ARN"]
KMS_AUDIT_ROLE_ARN = os.environ["GATEWAY_KMS_AUDIT_ROLE_ARN"]
CRYPTO = CryptoSettings(
    region=GATEWAY_REGION,
    regions=GATEWAY_REGIONS,
    kms_endpoints=dict(
        pair.split("=", 1) for pair in os.environ["GATEWAY_KMS_ENDPOINTS"].split(",")
    ),
    use_profile=os.environ["GATEWAY_KMS_USE_PROFILE"],
)
