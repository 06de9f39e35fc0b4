"""A Django project of somebody else installs two apps of this one, and nothing else of it comes along."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from tenants.fields import using_tenant
from tests.stack import Stack
from tests.tenants.fields.crm.models import PROCESS, Account, Everything, Person
from tests.tenants.fields.rows import kms_calls

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import json, sys
import django

django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from tenants.fields import using_tenant
from tests.tenants.fields.crm.models import Account, Person

call_command("check", fail_level="WARNING", verbosity=0)
key, account = map(int, sys.argv[1:])
row = Person.objects.select_related("account").get(pk=key)
with using_tenant(row.account.tenant_id):
    found = Person.objects.get(email="ann@example.com", account=account).pk
    made = Person.objects.create(account_id=account, email="bob@example.com", phone=row.phone)
print(json.dumps({
    "read": row.email,
    "found": found,
    "made": made.pk,
    "user": get_user_model()._meta.label,
    "loaded": sorted({name.split(".")[0] for name in sys.modules} & {"gateway", "celery", "rest_framework", "sandbox"}),
}))
"""


def other_project(stack: Stack, region: str, *arguments: object) -> dict[str, Any]:
    """What the program says, run as a process of that Region with the credentials of a web process."""
    environment = {
        **stack.env("web", region),
        "DJANGO_SETTINGS_MODULE": "tests.tenants.fields.crm.settings",
        "PYTEST_XDIST_WORKER": PROCESS,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, *map(str, arguments)],
        check=False,
        env=environment,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_reads_and_writes_in_its_own_region(account: Account, stack: Stack) -> None:
    ann = Person.objects.create(account=account, email="ann@example.com", phone="1")
    with kms_calls(stack, account.tenant_id) as calls:
        said = other_project(stack, "eu-west-1", ann.pk, account.pk)
    assert said["read"] == "ann@example.com"
    assert said["found"] == ann.pk
    assert said["user"] == "auth.User"
    assert said["loaded"] == []
    assert {(call.region, call.role) for call in calls} == {
        ("eu-west-1", "mrk-gateway-use-eu-west-1")
    }
    made = Person.objects.get(pk=said["made"])
    assert (made.email, made.phone) == ("bob@example.com", "1")
    with using_tenant(account.tenant_id):
        assert Person.objects.get(email="bob@example.com", account=account) == made


def test_a_role_that_inherits_from_ours_is_fenced_like_it(acme: UUID, stack: Stack) -> None:
    """What the manual tells a team with a database role of its own."""
    with using_tenant(acme):
        Everything.objects.create(char="a")
    connection: Any = stack.connect()
    with connection, connection.transaction(force_rollback=True), connection.cursor() as cursor:
        cursor.execute("create role crm_team nologin inherit")
        cursor.execute("grant gateway_app to crm_team with inherit true, set false")
        cursor.execute("set local role crm_team")
        cursor.execute("select count(*) from tenants_datakey")
        assert cursor.fetchone() == (0,)
        cursor.execute("select set_config('app.tenant_id', %s, true)", [str(acme)])
        cursor.execute("select count(*), count(distinct tenant_id) from tenants_datakey")
        keys, tenants = cursor.fetchone()
        assert keys > 0
        assert tenants == 1
