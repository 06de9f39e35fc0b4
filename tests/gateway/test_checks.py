"""What production refuses, and that a process does not start on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from gateway import checks
from tests.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "GATEWAY_ENVIRONMENT": "production",
    "DEBUG": False,
    "SECRET_KEY": "k9$2Fq8!zX4@tB7&nW3^jL6*rD1(vG5)yH0-cM+pT=uE_aSiQoRd",
    "ALLOWED_HOSTS": ["gateway.example.com"],
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "ALLAUTH_TRUSTED_PROXY_COUNT": 1,
    "CELERY_BROKER_URL": "rediss://broker.example.com:6379/0",
}


@pytest.fixture
def production(settings: Any) -> Any:
    """Settings that production takes; the sandbox's database is checked with verify-full already."""
    for name, value in GOOD.items():
        setattr(settings, name, value)
    return settings


def ids() -> list[str]:
    return [message.id or "" for message in checks.faults()]


def test_good_settings_have_no_fault(production: Any) -> None:
    assert ids() == []
    assert [m.id for m in run_checks(tags=["gateway"])] == []


@pytest.mark.parametrize(
    ("name", "value", "identity"),
    [
        ("DEBUG", True, "gateway.E002"),
        ("SECRET_KEY", "short", "gateway.E003"),
        ("SECRET_KEY", "a" * 64, "gateway.E003"),
        ("SECRET_KEY", "django-insecure-9$2Fq8zX4tB7nW3jL6rD1vG5yH0cMpTuEaSiQoRd", "gateway.E004"),
        ("ALLOWED_HOSTS", ["*"], "gateway.E005"),
        ("ALLOWED_HOSTS", [], "gateway.E005"),
        ("SESSION_COOKIE_SECURE", False, "gateway.E006"),
        ("CSRF_COOKIE_SECURE", False, "gateway.E006"),
        ("ALLAUTH_TRUSTED_PROXY_COUNT", 0, "gateway.W002"),
        ("CELERY_BROKER_URL", "memory://", "gateway.E008"),
        ("CELERY_BROKER_URL", "redis://broker:6379/0", "gateway.W001"),
        ("GATEWAY_RDS_ENDPOINTS", {"eu-west-1": "http://127.0.0.1:1"}, "gateway.E017"),
    ],
)
def test_each_unsafe_setting_has_an_id_and_a_hint(
    production: Any, name: str, value: object, identity: str
) -> None:
    setattr(production, name, value)
    assert ids() == [identity]
    assert all(message.hint for message in checks.faults())


def test_a_database_whose_name_is_not_checked_is_refused(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(production.DATABASES["default"]["OPTIONS"], "sslmode", "require")
    assert ids() == ["gateway.E007"]


def test_outside_of_production_only_check_deploy_speaks(settings: Any) -> None:
    settings.DEBUG = True
    settings.GATEWAY_ENVIRONMENT = "sandbox"
    assert [m.id for m in run_checks(tags=["gateway"])] == []
    deploy = [m.id for m in run_checks(tags=["gateway"], include_deployment_checks=True)]
    assert "gateway.E002" in deploy
    settings.GATEWAY_ENVIRONMENT = "production"
    assert "gateway.E002" in [m.id for m in run_checks(tags=["gateway"])]


def test_a_misspelt_environment_is_refused_everywhere(settings: Any) -> None:
    settings.GATEWAY_ENVIRONMENT = "prod"
    assert [m.id for m in run_checks(tags=["gateway"])] == ["gateway.E001"]
    with pytest.raises(ImproperlyConfigured, match=r"gateway\.E001"):
        checks.refuse_unsafe_start([])


def test_a_web_process_has_neither_the_admin_plane_nor_the_owner_of_the_tables(
    production: Any, tmp_path: Path
) -> None:
    production.STATIC_ROOT = tmp_path
    found = [message.id for message in checks.web_faults()]
    assert found == ["gateway.E010", "gateway.E009", "gateway.E013", "gateway.E011"]
    assert [message.id for message in checks.worker_faults()] == ["gateway.E010"]


def test_no_process_that_serves_can_move_the_writer(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(production.DATABASES, "migrator")
    production.GATEWAY_DATABASE_ADMIN_PROFILE = "database-admin"
    assert [message.id for message in checks.worker_faults()] == ["gateway.E018"]
    assert "gateway.E018" in [message.id for message in checks.web_faults()]


def test_tokens_go_to_verified_endpoints_of_a_region_alone_in_any_environment(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> set[str | None]:
        return {message.id for message in run_checks(tags=["gateway"])}

    settings.GATEWAY_DATABASE_AUTHENTICATION = "iam"
    assert found() == {"gateway.E016"}
    hosts = ("a.cluster-c.us-east-2.rds.amazonaws.com", "b.cluster-c.eu-west-1.rds.amazonaws.com")
    for database in settings.DATABASES.values():
        monkeypatch.setitem(database, "HOST", ",".join(hosts))
    assert found() == set()
    monkeypatch.setitem(settings.DATABASES["local"], "HOST", "g.global-c.global.rds.amazonaws.com")
    assert found() == {"gateway.E016"}
    monkeypatch.setitem(settings.DATABASES["local"], "HOST", hosts[0])
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "sslmode", "require")
    assert found() == {"gateway.E015"}


def test_workers_sign_and_web_processes_only_check(
    production: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests run as a worker that may check as well: it has both halves of the key."""
    monkeypatch.delitem(production.DATABASES, "migrator")
    assert [message.id for message in checks.worker_faults()] == []
    production.GATEWAY_SIGNING_KEY = "nonsense"
    assert [message.id for message in checks.worker_faults()] == ["gateway.E012"]
    assert "nonsense" not in str(list(checks.worker_faults()))
    production.GATEWAY_SIGNING_KEY = production.GATEWAY_SIGNING_PUBLIC_KEY = ""
    assert "gateway.E012" in [message.id for message in checks.worker_faults()]
    found = [message.id for message in checks.web_faults()]
    assert "gateway.E014" in found
    assert "gateway.E013" not in found


def test_faults_of_one_kind_of_process_count_in_production_alone(settings: Any) -> None:
    checks.refuse_unsafe_start(checks.web_faults())


def run(
    stack: Stack, changed: Mapping[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    environment = {**stack.env("web"), "PATH": os.environ["PATH"], **changed}
    environment.pop("SANDBOX_PROCESS_OF", None)
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


PRODUCTION = {"GATEWAY_ENVIRONMENT": "production"}


def test_a_web_process_does_not_start_on_a_sandboxs_settings_in_production(stack: Stack) -> None:
    assert run(stack, {}, "-c", "import gateway.wsgi").returncode == 0
    refused = run(stack, PRODUCTION, "-c", "import gateway.wsgi")
    assert refused.returncode != 0
    for identity in ("gateway.E006", "crypto.E009"):
        assert identity in refused.stderr
    secret = Path(stack.env("web")["GATEWAY_SECRET_KEY_FILE"]).read_text().strip()
    assert secret not in refused.stderr


def test_a_worker_does_not_start_on_a_sandboxs_settings_in_production(stack: Stack) -> None:
    refused = run(
        stack, PRODUCTION, "-m", "celery", "-A", "gateway", "worker", "--pool=solo", "-Q", "nothing"
    )
    assert refused.returncode != 0
    assert "crypto.E009" in refused.stderr + refused.stdout


def test_manage_check_deploy_has_nothing_to_say_of_good_settings(stack: Stack) -> None:
    own = {
        "GATEWAY_KMS_ENDPOINTS": "",
        "GATEWAY_SSM_ENDPOINTS": "",
        "GATEWAY_SECRET_KEY": str(GOOD["SECRET_KEY"]),
        "GATEWAY_ALLOWED_HOSTS": "gateway.example.com",
        "GATEWAY_COOKIES_NEED_HTTPS": "1",
        "GATEWAY_TRUSTED_PROXIES": "1",
        "GATEWAY_BROKER_URL": "rediss://broker.example.com:6379/0",
    }
    fine = run(stack, PRODUCTION | own, "manage.py", "check", "--deploy")
    assert (fine.returncode, "no issues" in fine.stdout) == (0, True), fine.stderr


def test_manage_check_deploy_refuses_a_sandboxs_settings(stack: Stack) -> None:
    refused = run(stack, PRODUCTION, "manage.py", "check", "--deploy")
    assert refused.returncode != 0
    assert "crypto.E009" in refused.stderr
