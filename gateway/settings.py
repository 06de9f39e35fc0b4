"""Django settings: one module, all from the environment (`gateway/env.py`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from csp.constants import NONCE, NONE, SELF
from whitenoise.compress import Compressor

from crypto.conf import CryptoSettings
from gateway.env import read_environment
from gateway.postgresql.iam import IamConnection

BASE_DIR = Path(__file__).resolve().parent.parent
ENVIRONMENT = read_environment()

# 1. What this process is.
GATEWAY_ENVIRONMENT = ENVIRONMENT.name
GATEWAY_REGION = ENVIRONMENT.region
GATEWAY_REGIONS = ENVIRONMENT.regions
GATEWAY_BROKER_REGIONS = ENVIRONMENT.broker_regions
GATEWAY_TRUST_REQUEST_ID = ENVIRONMENT.trust_request_id
GATEWAY_OPERATION_LEASE_SECONDS = ENVIRONMENT.operation_lease_seconds
GATEWAY_CALL_QUOTAS = ENVIRONMENT.call_quotas
GATEWAY_READER_BEHIND_SECONDS = ENVIRONMENT.reader_behind_seconds
GATEWAY_REENCRYPTION_PARTS_PER_SECOND = ENVIRONMENT.reencryption_parts_per_second
GATEWAY_REENCRYPTION_BATCH = ENVIRONMENT.reencryption_batch
GATEWAY_RECONCILE_SECONDS = ENVIRONMENT.reconcile_seconds
GATEWAY_RECONCILE_BATCH = ENVIRONMENT.reconcile_batch
GATEWAY_RECONCILE_AGE_SECONDS = ENVIRONMENT.reconcile_age_seconds
GATEWAY_ORPHANS_SECONDS = ENVIRONMENT.orphans_seconds
GATEWAY_REPAIR_DRIFT = ENVIRONMENT.repair_drift
SECRET_KEY = ENVIRONMENT.secret_key
GATEWAY_SIGNING_KEY = ENVIRONMENT.signing_key
GATEWAY_SIGNING_PUBLIC_KEY = ENVIRONMENT.signing_public_key
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)
ROOT_URLCONF = "gateway.urls"
WSGI_APPLICATION = "gateway.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"

INSTALLED_APPS = [
    "gateway.apps.GatewayConfig",
    "tenants.apps.TenantsConfig",
    "crypto.apps.CryptoConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "csp",
]

MIDDLEWARE = [
    "gateway.middleware.RequestContextMiddleware",
    "gateway.health.HealthMiddleware",
    "gateway.places.PlaceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "gateway/console/templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "gateway.console.session.console_context",
            ],
            "builtins": ["gateway.console.tags"],
        },
    },
]

# 2. Databases: one database, reached as its writer, as this Region's reader, and (to migrate) as its owner.
_db = ENVIRONMENT.database
# No statement here is long enough for compiling it (jit) to pay: that takes a tenth of a second wherever the planner
# guesses that there are many rows.
_LIMITS = "-c statement_timeout=15s -c lock_timeout=10s -c idle_in_transaction_session_timeout=30s -c jit=off"


GATEWAY_DATABASE_AUTHENTICATION = _db.authentication
_CONNECTIONS = {"connection_class": IamConnection} if _db.authentication == "iam" else {}
# Other Regions stand in for a reader that is away (GATEWAY_READER_HOST): for this long at most once it is back.
_READER_SECONDS = 120


def _database(
    host: str,
    port: str,
    session: str,
    *,
    pooled: bool = True,
    lifetime: int = 3600,
    options: str = _LIMITS,
) -> dict[str, Any]:
    return {
        "ENGINE": "gateway.postgresql",
        "NAME": _db.name,
        "USER": _db.user,
        "PASSWORD": _db.password,
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": 0,  # what a pool demands
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "target_session_attrs": session,
            "sslmode": _db.sslmode,
            "sslrootcert": _db.sslrootcert,
            "connect_timeout": 2,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 2,
            "tcp_user_timeout": 5000,
            "application_name": f"gateway-{GATEWAY_REGION}",
            # A statement or a lock that takes longer holds a thread for nobody; the client has given up by then.
            **({"options": options} if pooled else {}),
            # reconnect_timeout: the pool's default backs off so long that it returns seconds after the writer does.
            **(
                {
                    "pool": {
                        "min_size": 1,
                        "max_size": _db.pool_size,
                        "timeout": 3,
                        "reconnect_timeout": 2,
                        "max_lifetime": lifetime,
                        **_CONNECTIONS,
                    }
                }
                if pooled
                else {}
            ),
        },
    }


DATABASES: dict[str, dict[str, Any]] = {
    "default": _database(_db.writer_host, _db.writer_port, "read-write"),
    "local": _database(_db.reader_host, _db.reader_port, "any", lifetime=_READER_SECONDS),
}
GATEWAY_WRITE_FORWARDING = _db.write_forwarding
if GATEWAY_WRITE_FORWARDING != "off":
    # Connections of its own: those of other reads would wait for writes that are none of theirs.
    DATABASES["forwarding"] = _database(
        _db.reader_host,
        _db.reader_port,
        "any",
        lifetime=_READER_SECONDS,
        options=f"{_LIMITS} -c apg_write_forward.consistency_mode={GATEWAY_WRITE_FORWARDING}",
    )
if _db.migration_user:
    DATABASES["migrator"] = _database(
        _db.writer_host, _db.writer_port, "read-write", pooled=False
    ) | {"USER": _db.migration_user, "PASSWORD": _db.migration_password}
GATEWAY_DATABASE_POOL_SIZE = _db.pool_size
GATEWAY_GLOBAL_CLUSTER = _db.global_cluster
GATEWAY_DATABASE_ADMIN_PROFILE = _db.admin_profile
GATEWAY_RDS_ENDPOINTS = _db.rds_endpoints
DATABASE_ROUTERS = ["gateway.database.RegionRouter"]

# 3. Keys: the two planes are two roles; web processes have no credentials of the second.
_kms = ENVIRONMENT.kms
AWS_ACCOUNT_ID = _kms.account_id
AWS_PARTITION = _kms.partition
KMS_USE_ROLE_ARN = _kms.use_role_arn
KMS_ADMIN_ROLE_ARN = _kms.admin_role_arn
KMS_AUDIT_ROLE_ARN = _kms.audit_role_arn
CRYPTO = CryptoSettings(
    region=GATEWAY_REGION,
    regions=GATEWAY_REGIONS,
    kms_endpoints=_kms.endpoints,
    ssm_endpoints=_kms.ssm_endpoints,
    use_profile=_kms.use_profile,
    admin_profile=_kms.admin_profile,
    audit_profile=_kms.audit_profile,
    data_key_max_age_seconds=_kms.data_key_max_age_seconds,
    cache_seconds=_kms.data_key_cache_seconds,
    cache_size=_kms.data_key_cache_size,
)

# 4. Background work: payloads are ids in JSON; the truth is in the operations table.
CELERY_BROKER_URL = ENVIRONMENT.broker_url
CELERY_TASK_DEFAULT_QUEUE = GATEWAY_REGION

# 5. People: sign-in by e-mail address through allauth, which limits tries; sessions live 12 hours.
AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/console/sign-in/"
LOGIN_REDIRECT_URL = "/console/"
LOGOUT_REDIRECT_URL = "/console/sign-in/"
# Tries are counted in each process, by the address that they come from and by the account. A cache in the database
# would count them together, but Django's unpickles what it reads: whoever may write there could run code here.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # so that a flood of other addresses forgets no count
    }
}
ALLAUTH_TRUSTED_PROXY_COUNT = ENVIRONMENT.trusted_proxies
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "gateway.console.session.ClosedSignup"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENVIRONMENT.cookies_need_https
SESSION_COOKIE_NAME = "gateway_session"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "gateway.error_pages.csrf_failure"

# 6. Headers. The console loads nothing from elsewhere and runs no inline script without the nonce.
SECURE_SSL_REDIRECT = False  # the load balancer ends TLS; it redirects
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # would have Django redirect
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.cookies_need_https else None
)
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.cookies_need_https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.cookies_need_https
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# 7. Static files: hashed names, compressed, served by the web process itself.
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / ENVIRONMENT.static_root
STATICFILES_DIRS = [BASE_DIR / "gateway/console/static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Source maps are most of the bytes, and nobody asks for them compressed; only hashed names are ever referred to.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = (*Compressor.SKIP_COMPRESS_EXTENSIONS, "map")
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# 8. REST. Bodies of the data plane are read by msgspec; answers are JSON alone.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": ["gateway.api.permissions.DenyAll"],
    "DEFAULT_RENDERER_CLASSES": ["gateway.api.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "gateway.api.renderers.JsonOnly",
    "DEFAULT_SCHEMA_CLASS": "gateway.api.schema.OperationSchema",
    "EXCEPTION_HANDLER": "gateway.api.problems.problem_answer",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Encryption gateway",
    "DESCRIPTION": "Stores records whose sealed fields are encrypted under the tenant's own AWS KMS multi-Region key,"
    " and serves them in every Region that the tenant allows.\n\n"
    "Errors are problem details (RFC 9457): go by `code`; what a code means is at `/api/errors/{code}`. Try again,"
    " after `Retry-After`, where `retryable` is true; writes with an id of the client's own are safe to send again."
    " A write answers a `Consistency-Token`; a read that brings it sees that write in any Region.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "POSTPROCESSING_HOOKS": ["gateway.api.schema.add_components"],
}

# 9. Logs: JSON lines from structlog, configured in gateway/logs.py.
LOGGING_CONFIG = None
GATEWAY_LOG_LEVEL = ENVIRONMENT.log_level
