"""manage.py iam_policies --out policies/"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.iam_policy import Deployment, Document, role_policies, trust_template

_TRUST = "trust-template"


class Command(BaseCommand):
    """Generate the IAM policies of the gateway's roles, for this deployment's account and Regions."""

    help = "Generate the identity policies of the gateway's roles, and a template of who may assume them."

    def add_arguments(self, parser: CommandParser) -> None:
        """What the configuration does not say, and where to write."""
        parser.add_argument("--json", action="store_true", help="one JSON document of all")
        parser.add_argument("--out", type=Path, metavar="DIR", help="write a file for each role")
        parser.add_argument(
            "--external-account",
            action="append",
            default=[],
            help="an AWS account of tenants that bring their own key",
        )
        parser.add_argument(
            "--database-resource",
            action="append",
            default=[],
            metavar="cluster-ID",
            help="resource id of a database cluster; all of the account where none is named",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Generate, and show or write."""
        accounts = options["external_account"]
        if not all(len(account) == 12 and account.isdigit() for account in accounts):
            raise CommandError("--external-account takes the 12 digits of an AWS account.")
        deployment = _deployment(accounts, options["database_resource"])
        documents = {**role_policies(deployment), _TRUST: trust_template(deployment)}
        if options["out"]:
            self._write(Path(options["out"]), documents)
        elif options["json"]:
            self.stdout.write(_rendered(documents))
        else:
            self.stdout.write("\n".join(_summary(documents)))

    def _write(self, directory: Path, documents: dict[str, Document]) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name, document in documents.items():
                (directory / f"{name}.json").write_text(_rendered(document) + "\n")
        except OSError as error:
            raise CommandError(f"{directory} cannot be written: {error.strerror}") from error
        self.stdout.write(f"{len(documents)} documents are in {directory}.")


def _deployment(accounts: list[str], resources: list[str]) -> Deployment:
    return Deployment(
        partition=settings.AWS_PARTITION,
        account=settings.AWS_ACCOUNT_ID,
        regions=tuple(settings.GATEWAY_REGIONS),
        environment=settings.GATEWAY_ENVIRONMENT,
        use_role=settings.KMS_USE_ROLE_ARN,
        admin_role=settings.KMS_ADMIN_ROLE_ARN,
        audit_role=settings.KMS_AUDIT_ROLE_ARN,
        database_user=settings.DATABASES["default"]["USER"] or "gateway_app",
        database_resources=tuple(resources) or ("*",),
        global_cluster=settings.GATEWAY_GLOBAL_CLUSTER or "*",
        external_accounts=tuple(accounts),
    )


def _rendered(document: Document) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _summary(documents: dict[str, Document]) -> list[str]:
    """A line for each statement: what it is called, and how many actions it is about."""
    lines = []
    for name, document in documents.items():
        lines.append(name)
        for one in document["Statement"]:
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            some = ", ".join(actions[:3]) + (
                f" and {len(actions) - 3} more" if len(actions) > 3 else ""
            )
            lines.append(f"  {one['Effect']:5}  {one['Sid']}: {some}")
    return lines
