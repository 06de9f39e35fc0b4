"""supervisord's configuration says what was meant, whatever characters a path holds."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from sandbox.errors import SandboxError
from sandbox.layout import Home
from sandbox.programs import Program
from sandbox.supervision import write_configuration

ODD = "/home/o'brien/100% mine, really/c#"


def test_supervisord_reads_back_the_same_command_and_environment(home: Home) -> None:
    home.make()
    program = Program(
        name="odd", argv=("/bin/echo", ODD, "%h"), priority=1, environment={"ODD": ODD}
    )
    write_configuration(home, [program])
    options = ServerOptions()
    options.realize(["-c", str(home.path / "supervisord.conf"), "-n"])
    [group] = options.process_group_configs
    [process] = group.process_configs
    assert process.environment == {"ODD": ODD}
    assert tuple(shlex.split(process.command)) == program.argv
    assert not process.autostart


def test_a_value_that_could_end_its_own_quotation_is_refused(home: Home) -> None:
    home.make()
    for bad in ('a"b', "a\nb", "a\\b", "a ;b", "a #b"):
        with pytest.raises(SandboxError, match="cannot run in a path"):
            write_configuration(home, [Program(name="bad", argv=(bad,), priority=1)])


def test_nobody_else_can_give_orders_to_the_supervisor(home: Home) -> None:
    home.make()
    write_configuration(home, [])
    assert "inet_http_server" not in (home.path / "supervisord.conf").read_text()
    assert home.run.stat().st_mode & 0o777 == 0o700
    assert Path(home.path / "supervisord.conf").stat().st_mode & 0o777 == 0o600


def test_a_home_that_supervisord_would_misread_is_refused_before_anything_starts() -> None:
    with pytest.raises(SandboxError, match="cannot run in a path"):
        write_configuration(Home(Path("/srv/100%/home")), [])
