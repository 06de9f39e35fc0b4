"""Tasks carry ids and nothing else; every job that is enqueued by name exists."""

from __future__ import annotations

import inspect

import tenants.tasks
from gateway.celery import app
from tenants import jobs


def our_tasks() -> dict[str, object]:
    return {name: task for name, task in app.tasks.items() if name.startswith("tenants.")}


def test_every_job_name_is_a_registered_task() -> None:
    assert tenants.tasks is not None
    names = {
        value for name, value in vars(jobs).items() if name.isupper() and isinstance(value, str)
    }
    assert names
    assert names <= set(our_tasks())


def test_tasks_take_ids_only() -> None:
    for name, task in our_tasks().items():
        parameters = inspect.signature(task.run).parameters  # type: ignore[attr-defined]
        assert all(parameter.endswith("_id") for parameter in parameters), name


def test_payloads_are_json_and_nothing_else_is_accepted() -> None:
    assert app.conf.task_serializer == "json"
    assert list(app.conf.accept_content) == ["json"]
