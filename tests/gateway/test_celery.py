"""The queues: each Region's work waits in its own, and each Region is told to sweep."""

from __future__ import annotations

from django.conf import settings

from gateway.celery import SWEEP_SECONDS, app


def test_beat_sends_each_kind_of_work_to_the_queue_of_each_region() -> None:
    app.finalize()
    schedule = app.conf.beat_schedule.values()
    periods = {
        "tenants.sweep_operations": SWEEP_SECONDS,
        "tenants.reconcile": settings.GATEWAY_RECONCILE_SECONDS,
        "tenants.find_orphans": settings.GATEWAY_ORPHANS_SECONDS,
    }
    assert sorted((entry["task"], entry["options"]["queue"]) for entry in schedule) == sorted(
        (task, region) for task in periods for region in settings.GATEWAY_BROKER_REGIONS
    )
    for entry in schedule:
        # One that waited longer than the period would only pile up behind a dead worker.
        assert entry["options"]["expires"] == periods[entry["task"]]


def test_a_task_without_a_queue_waits_in_its_own_region() -> None:
    assert app.conf.task_default_queue == settings.GATEWAY_REGION


def test_a_killed_worker_s_task_is_given_to_another_one() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    options = app.conf.broker_transport_options
    assert options["visibility_timeout"] > app.conf.task_time_limit
    assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] <= 10
