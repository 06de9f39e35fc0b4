"""The data plane starts from nothing, from half of something, and after everything was killed; it leaves nobody."""

from __future__ import annotations

import os
import signal
import subprocess

from sandbox import data_plane, programs
from sandbox.layout import PRIMARY, REGIONS, Home
from sandbox.ports import Ports, find_free
from sandbox.postgres.cluster import forget_dead_servers, needs_base_backup
from sandbox.postgres.roles import connect
from sandbox.processes import end_processes, find_processes
from sandbox.readiness import streams
from sandbox.supervision import find_states, stop_program, stop_supervisord


def start(home: Home, ports: Ports) -> subprocess.Popen[bytes]:
    data_plane.prepare(home, ports)
    supervisor = data_plane.start(home, ports, programs.data_plane(home, ports))
    assert supervisor is not None
    return supervisor


def leave_half_made(home: Home) -> None:
    """What a start leaves that was killed in its certificates, in initdb, and in a base backup."""
    home.make()
    for name in ("tls.new", f"{PRIMARY}.new", "eu-west-1.new"):
        (home.postgres / name).mkdir()
        (home.postgres / name / "PG_VERSION").write_text("17\n")


def test_a_half_finished_first_start_is_completed_and_stopping_leaves_no_process(
    home: Home,
) -> None:
    leave_half_made(home)
    supervisor = start(home, find_free())
    assert {state["statename"] for state in find_states(home).values()} <= {"RUNNING", "STARTING"}
    assert not list(home.postgres.glob("*.new"))
    assert find_processes(home)
    assert stop_supervisord(home)
    assert supervisor.wait() == 0
    assert find_processes(home) == []


def test_what_was_committed_is_there_after_all_was_killed_and_started_again(home: Home) -> None:
    ports = find_free()
    supervisor = start(home, ports)
    with connect(home, ports, PRIMARY, user="gateway_owner", database="gateway") as connection:
        connection.execute("create table kept as select 7 as a")
    for pid in find_processes(home):
        os.kill(pid, signal.SIGKILL)
    supervisor.wait()
    end_processes(home)
    forget_dead_servers(home)
    ports = find_free()  # other ports: the configuration follows
    supervisor = start(home, ports)
    for region in REGIONS:
        with connect(home, ports, region, user="gateway_owner", database="gateway") as connection:
            assert connection.execute("select a from kept").fetchone() == (7,)
    stop_supervisord(home)
    supervisor.wait()


def test_what_a_killed_supervisor_left_running_is_found_and_ended(home: Home) -> None:
    supervisor = start(home, find_free())
    supervisor.kill()
    supervisor.wait()
    assert not stop_supervisord(home)
    assert len(end_processes(home)) >= 6
    assert find_processes(home) == []


def test_a_replica_that_missed_too_much_is_copied_afresh_by_the_next_start(home: Home) -> None:
    ports = find_free()
    supervisor = start(home, ports)
    stop_program(home, "postgres-eu-west-1")
    with connect(home, ports, PRIMARY) as connection:
        connection.execute("select pg_drop_replication_slot('region_eu_west_1')")
    assert needs_base_backup(home, ports, PRIMARY, "eu-west-1")
    assert not needs_base_backup(home, ports, PRIMARY, "us-west-1")
    data_plane.start(home, ports, programs.data_plane(home, ports))
    assert streams(home, ports, "eu-west-1")
    stop_supervisord(home)
    supervisor.wait()
