"""The Celery application: at-least-once delivery of ids, one queue a Region, and a beat that sweeps in each of them.

The broker is a hint. Every task may be lost, late or run twice: the operations table decides what is done.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

SWEEP_SECONDS = 3.0

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")

app = Celery("gateway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    # For workers that are processes. Ours are threads, which nobody can stop: each call of a step has a time-out.
    task_time_limit=120,
    task_soft_time_limit=90,
    # Longer than any task or countdown; the restore sweep runs every 5 s, where the default runs every 100 s.
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 5,
        # Sending fails at once where the broker is down (by default it waits 6 s): the sweep sends again.
        "max_retries": 0,
    },
)
app.autodiscover_tasks(["tenants"])


@app.on_after_finalize.connect
def sweep_in_each_region(sender: Celery, **_: Any) -> None:
    """Beat sends each Region's worker its own sweep: a Region whose worker is dead stops no other Region's."""
    from django.conf import settings  # noqa: PLC0415 - not ready when this module loads

    for region in settings.GATEWAY_BROKER_REGIONS:
        sender.add_periodic_task(
            SWEEP_SECONDS,
            sender.signature("tenants.sweep_operations"),
            name=f"sweep-operations-{region}",
            queue=region,
            # A sweep that waited longer than its period is of no use: the next one does its work.
            expires=SWEEP_SECONDS,
        )


@app.on_after_finalize.connect
def watch_each_region(sender: Celery, **_: Any) -> None:
    """Beat lets each Region's worker compare its keys with what they should be, and look for keys without an owner."""
    from django.conf import settings  # noqa: PLC0415 - not ready when this module loads

    periods = {
        "tenants.reconcile": settings.GATEWAY_RECONCILE_SECONDS,
        "tenants.find_orphans": settings.GATEWAY_ORPHANS_SECONDS,
    }
    for region in settings.GATEWAY_BROKER_REGIONS:
        for name, seconds in periods.items():
            sender.add_periodic_task(
                float(seconds),
                sender.signature(name),
                name=f"{name}-{region}",
                queue=region,
                expires=seconds,
            )


@setup_logging.connect
def use_our_logs(**_: Any) -> None:
    """Workers log as web processes do."""
    from gateway.logs import configure_logs  # noqa: PLC0415 - settings are not ready when this module loads

    configure_logs()
