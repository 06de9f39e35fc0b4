"""docs/key-policies.md: the key policies of two tenants in three Regions, with what each statement means.

    python -m tests.tenants.policy_documents        # shows what is out of date
    python -m tests.tenants.policy_documents --write

Two tenants of the documentation, with ids that stay the same. Nothing is asked of AWS.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tenants.key_policy import Document, Principals, build, explain, fingerprint

FILE = Path(__file__).resolve().parents[2] / "docs" / "key-policies.md"
_ROLE = "arn:aws:iam::111122223333:role/mrk-gateway"
PRINCIPALS = Principals(
    account_root="arn:aws:iam::111122223333:root",
    use_role=f"{_ROLE}-use-{{region}}",
    admin_role=f"{_ROLE}-admin",
    audit_role=f"{_ROLE}-audit",
)


@dataclass(frozen=True)
class Rule:
    """What one Region may do."""

    region: str
    may_encrypt: bool
    may_decrypt: tuple[str, ...]

    def __str__(self) -> str:
        encrypts = "encrypts" if self.may_encrypt else "does not encrypt"
        classes = "everything" if "*" in self.may_decrypt else ", ".join(self.may_decrypt)
        return f"{encrypts}, and decrypts {classes or 'nothing'}"


US, WEST, EU = "us-east-2", "us-west-1", "eu-west-1"
TENANTS = {
    "Acme": (
        "01920000000070008000000000000001",
        (Rule(US, True, ("*",)), Rule(WEST, True, ("pci", "pii")), Rule(EU, False, ("pii",))),
    ),
    "Globex": (
        "01920000000070008000000000000002",
        (Rule(US, True, ()), Rule(WEST, True, ()), Rule(EU, True, ("pii", "secret"))),
    ),
}
_HEAD = """\
# Key policies

What a Region may do with a tenant's key is said by its key policy, and KMS enforces it. The gateway compiles each
tenant's Region rules into one document for each Region. Below are those of two tenants in three Regions, each statement
with what it means; `manage.py key_policy SLUG REGION` shows the same of your own tenants, `--applied` what KMS holds,
and `--diff` where the two differ. A test keeps this page up to date, and cfn-lint and policy_sentry read all documents.

A role may do with a key what both Regions may: its own, and that of the key. So a Region that stands in for another's
outage gets no more there than at home, and one that may decrypt nothing decrypts nowhere.
"""


def documents() -> dict[str, dict[str, Document]]:
    """Tenant -> Region -> document."""
    return {
        name: {
            rule.region: build(
                region=rule.region, rules=rules, tenant=tenant, principals=PRINCIPALS
            )
            for rule in rules
        }
        for name, (tenant, rules) in TENANTS.items()
    }


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_lines()])


def _lines() -> Iterator[str]:
    made = documents()
    for name, (tenant, rules) in TENANTS.items():
        yield f"## {name}\n\nIts rules; its id in the encryption context is `{tenant}`:\n"
        yield from (f"- {rule.region} {rule}" for rule in rules)
        for region, document in made[name].items():
            yield f"\n### {name} in {region}\n"
            yield f"Fingerprint `{fingerprint(document)[:12]}`.\n"
            yield "| statement | what it means |\n| --- | --- |"
            yield from (f"| {sid} | {meaning} |" for sid, meaning in explain(document))
            yield f"\n```json\n{_rendered(document)}\n```"
        yield ""


def _rendered(document: Document) -> str:
    """A statement a line."""
    statements = ",\n".join(f"    {json.dumps(one)}" for one in document["Statement"])
    head = f'  "Version": "{document["Version"]}", "Id": "{document["Id"]}",'
    return f'{{\n{head}\n  "Statement": [\n{statements}\n  ]\n}}'


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(page())
    elif not FILE.exists() or FILE.read_text() != page():
        sys.exit(f"{FILE.name} is out of date: python -m tests.tenants.policy_documents --write")
