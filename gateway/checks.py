"""System checks of the deployment: production refuses to start on what only a sandbox or a test may do.

Elsewhere they are silent, unless `manage.py check --deploy` asks what production would say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from celery.signals import worker_init
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured

from tenants.errors import SigningKeyMissing
from tenants.rds.tokens import region_of
from tenants.services.signing import load_private_key, read_public_keys

ENVIRONMENTS = ("production", "sandbox", "test")
SHORTEST_SECRET = 50


@register("gateway")
def check_environment(**_: object) -> list[CheckMessage]:
    """A misspelt name would switch every check of production off, so only known names are taken."""
    if settings.GATEWAY_ENVIRONMENT in ENVIRONMENTS:
        return []
    return [
        Error(
            "GATEWAY_ENVIRONMENT is not known.",
            hint=f"Use one of {', '.join(ENVIRONMENTS)}.",
            id="gateway.E001",
        )
    ]


@register("gateway")
def check_sign_in(**_: object) -> list[CheckMessage]:
    """A token of IAM is a password for 15 minutes, so it goes to nobody who has not proven who they are, anywhere."""
    found: list[CheckMessage] = []
    if settings.GATEWAY_DATABASE_AUTHENTICATION != "iam":
        return found
    for alias, database in settings.DATABASES.items():
        if database["OPTIONS"]["sslmode"] != "verify-full":
            found.append(
                Error(
                    f"The connection {alias} would give its token to anybody in the database's place.",
                    hint="Set GATEWAY_DATABASE_SSLMODE to verify-full.",
                    id="gateway.E015",
                )
            )
        if not all(region_of(host) for host in database["HOST"].split(",")):
            found.append(
                Error(
                    f"The connection {alias} names a host that is no endpoint of a Region; a token is of one Region.",
                    hint="Name the cluster endpoints of all Regions: the one that takes writes is found.",
                    id="gateway.E016",
                )
            )
    return found


@register("gateway")
def check_production(**_: object) -> list[CheckMessage]:
    """In production, always."""
    return list(faults()) if settings.GATEWAY_ENVIRONMENT == "production" else []


@register("gateway", deploy=True)
def check_as_production(**_: object) -> list[CheckMessage]:
    """Elsewhere, when asked for."""
    return [] if settings.GATEWAY_ENVIRONMENT == "production" else list(faults())


def faults() -> Iterator[CheckMessage]:
    """What production refuses in any process."""
    if settings.DEBUG:
        yield Error(
            "DEBUG shows values on error pages.", hint="Unset GATEWAY_DEBUG.", id="gateway.E002"
        )
    if len(settings.SECRET_KEY) < SHORTEST_SECRET or len(set(settings.SECRET_KEY)) < 10:
        yield Error(
            "GATEWAY_SECRET_KEY is too short or too regular; sessions could be forged.",
            hint=f"Use {SHORTEST_SECRET} random characters or more.",
            id="gateway.E003",
        )
    if _is_of_sandbox(settings.SECRET_KEY):
        yield Error(
            "GATEWAY_SECRET_KEY is a sandbox's; anyone could know it.",
            hint="Generate one for this deployment.",
            id="gateway.E004",
        )
    yield from _hosts()
    yield from _connections()


def _is_of_sandbox(secret: str) -> bool:
    return any(word in secret.lower() for word in ("sandbox", "insecure", "changeme", "secret"))


def _hosts() -> Iterator[CheckMessage]:
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield Error(
            "Any Host header is accepted.",
            hint="Name the gateway's hosts in GATEWAY_ALLOWED_HOSTS.",
            id="gateway.E005",
        )
    if not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        yield Error(
            "Cookies of the console are sent without TLS.",
            hint="Unset GATEWAY_COOKIES_NEED_HTTPS.",
            id="gateway.E006",
        )

    if not settings.ALLAUTH_TRUSTED_PROXY_COUNT:
        yield Warning(
            "Tries to sign in are counted by the load balancer's address: one guesser locks everybody out.",
            hint="Set GATEWAY_TRUSTED_PROXIES to the number of proxies in front that add to X-Forwarded-For.",
            id="gateway.W002",
        )


def _connections() -> Iterator[CheckMessage]:
    for alias, database in settings.DATABASES.items():
        if database["OPTIONS"]["sslmode"] != "verify-full":
            yield Error(
                f"The connection {alias} does not check who the database is.",
                hint="Set GATEWAY_DATABASE_SSLMODE to verify-full.",
                id="gateway.E007",
            )
    if settings.GATEWAY_RDS_ENDPOINTS:
        yield Error(
            "RDS is not AWS: what moves the writer would be anybody's.",
            hint="Unset GATEWAY_RDS_ENDPOINTS.",
            id="gateway.E017",
        )
    scheme = settings.CELERY_BROKER_URL.partition("://")[0]
    if scheme in {"memory", "filesystem"}:
        yield Error(
            "Tasks would not leave this process.",
            hint="Set GATEWAY_BROKER_URL to a broker.",
            id="gateway.E008",
        )
    elif scheme not in {"rediss", "sqs"}:
        yield Warning(
            "The broker is reached without TLS. Tasks carry ids alone, but anyone on the way could send some.",
            hint="Use rediss:// or sqs://.",
            id="gateway.W001",
        )


def web_faults() -> Iterator[CheckMessage]:
    """What production refuses in a web process."""
    yield from _owner_credentials("web process")
    if settings.CRYPTO.admin_profile:
        yield Error(
            "The web process has the admin plane's credentials: it could create and delete keys.",
            hint="Set GATEWAY_KMS_ADMIN_PROFILE for workers alone.",
            id="gateway.E009",
        )
    if settings.GATEWAY_SIGNING_KEY:
        yield Error(
            "The web process has the signing key: whoever takes it over could forge certificates.",
            hint="Set GATEWAY_SIGNING_KEY_FILE for workers alone, and GATEWAY_SIGNING_PUBLIC_KEY_FILE here.",
            id="gateway.E013",
        )
    try:
        read_public_keys(settings.GATEWAY_SIGNING_PUBLIC_KEY)
    except SigningKeyMissing as error:
        yield Error(
            f"Nobody could check what the workers sign: {error}",
            hint="Set GATEWAY_SIGNING_PUBLIC_KEY_FILE to the public key of the workers' signing key.",
            id="gateway.E014",
        )
    if not (Path(settings.STATIC_ROOT) / "staticfiles.json").is_file():
        yield Error(
            "The console's static files are not collected.",
            hint="Run manage.py collectstatic when the image is built.",
            id="gateway.E011",
        )


def worker_faults() -> Iterator[CheckMessage]:
    """What production refuses in a worker."""
    yield from _owner_credentials("worker")
    try:
        load_private_key(settings.GATEWAY_SIGNING_KEY)
    except SigningKeyMissing as error:
        yield Error(
            f"The worker cannot sign certificates: {error}",
            hint="Set GATEWAY_SIGNING_KEY_FILE to an Ed25519 private key in PEM form.",
            id="gateway.E012",
        )


def _owner_credentials(process: str) -> Iterator[CheckMessage]:
    if "migrator" in settings.DATABASES:
        yield Error(
            f"The {process} has the credentials of the tables' owner, whom row-level security does not bind.",
            hint="Set GATEWAY_MIGRATION_USER for migrations alone.",
            id="gateway.E010",
        )
    if settings.GATEWAY_DATABASE_ADMIN_PROFILE:
        yield Error(
            f"The {process} has the credentials that move the writer to another Region.",
            hint="Set GATEWAY_DATABASE_ADMIN_PROFILE in the shell of whoever fails over, and nowhere else.",
            id="gateway.E018",
        )


def refuse_unsafe_start(own: Iterable[CheckMessage]) -> None:
    """Raise `ImproperlyConfigured` with every error; `own` are those of this kind of process, of which only production
    takes notice."""
    found = [*run_checks(), *(own if settings.GATEWAY_ENVIRONMENT == "production" else ())]
    if errors := [message for message in found if message.is_serious()]:
        raise ImproperlyConfigured("\n".join(["This process must not start.", *map(str, errors)]))


@worker_init.connect
def refuse_unsafe_worker(**_: Any) -> None:
    """Celery swallows exceptions of signal handlers, and lets only an exit through."""
    try:
        refuse_unsafe_start(worker_faults())
    except ImproperlyConfigured as error:
        raise SystemExit(str(error)) from None
