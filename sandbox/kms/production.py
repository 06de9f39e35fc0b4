"""The stand-in keeps keys in a file and must never be mistaken for KMS: it does not start where it looks like AWS."""

from __future__ import annotations

from collections.abc import Mapping

# Set by AWS for code that runs in Lambda, ECS, EKS, Batch and the like.
_HINTS = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_BATCH_JOB_ID",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
)


class LooksLikeProduction(RuntimeError):
    """The environment says that this is no development machine."""


def refuse_production(environment: Mapping[str, str]) -> None:
    """Raise `LooksLikeProduction`, naming the variable that says so."""
    if environment.get("GATEWAY_ENVIRONMENT", "").strip().lower() in ("production", "prod"):
        raise LooksLikeProduction("GATEWAY_ENVIRONMENT says production: use AWS itself there.")
    found = [name for name in _HINTS if environment.get(name)]
    if found:
        raise LooksLikeProduction(f"{found[0]} is set, as on AWS: use AWS itself there.")
