"""The configuration of a server, written again at every start so that it follows the ports."""

from __future__ import annotations

from pathlib import Path

from psycopg.conninfo import make_conninfo

from sandbox.files import write_file
from sandbox.layout import REGIONS, Home
from sandbox.ports import Ports

DATABASE = "gateway"
REPLICATOR = "replicator"


def data_directory(home: Home, region: str) -> Path:
    """Where that Region's data is; it exists only when it is complete."""
    return home.postgres / region


def slot_name(region: str) -> str:
    """The replication slot of that Region's server, which keeps WAL for it while it is away."""
    return f"region_{region.replace('-', '_')}"


def conninfo(home: Home, ports: Ports, region: str) -> str:
    """How that Region's server reaches whichever server is the writer now, over verified TLS."""
    return make_conninfo(
        host=",".join("127.0.0.1" for _ in REGIONS),
        port=",".join(str(ports.postgres(each)) for each in REGIONS),
        target_session_attrs="read-write",
        user=REPLICATOR,
        passfile=str(home.postgres / "passfile"),
        application_name=region,
        sslmode="verify-full",
        sslrootcert=str(home.ca_certificate),
        connect_timeout=2,
    )


def write_passfile(home: Home, password: str) -> None:
    """The replicator's password, where only the server's user reads it."""
    write_file(
        home.postgres / "passfile", f"*:*:*:{REPLICATOR}:{password}\n", owner=home.server_user
    )


def write_configuration(
    home: Home, ports: Ports, region: str, directory: Path | None = None
) -> None:
    """Write `postgresql.conf` and `pg_hba.conf` of that Region into its (or the given) data directory."""
    target = directory or data_directory(home, region)
    settings = _settings(home, ports, region)
    lines = "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())
    write_file(target / "postgresql.conf", lines, owner=home.server_user)
    write_file(target / "pg_hba.conf", HBA, owner=home.server_user)


# Nothing without TLS, nothing without a password, no Unix socket, and each role to its own database only.
HBA = f"""\
# type   database     user                        address       method
hostssl  {DATABASE}      gateway_app,gateway_owner   127.0.0.1/32  scram-sha-256
hostssl  replication  {REPLICATOR}                  127.0.0.1/32  scram-sha-256
hostssl  postgres     {REPLICATOR}                  127.0.0.1/32  scram-sha-256
hostssl  all          postgres                    127.0.0.1/32  scram-sha-256
"""


def _quoted(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _settings(home: Home, ports: Ports, region: str) -> dict[str, object]:
    tls = home.postgres / "tls"
    return {
        "cluster_name": region,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "port": ports.postgres(region),
        "max_connections": 200,
        "shared_buffers": "64MB",
        "password_encryption": "scram-sha-256",
        "ssl": "on",
        "ssl_min_protocol_version": "TLSv1.3",
        "ssl_ca_file": tls / "ca.crt",
        "ssl_cert_file": tls / f"{region}.crt",
        "ssl_key_file": tls / f"{region}.key",
        "wal_level": "replica",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "hot_standby": "on",
        "hot_standby_feedback": "on",
        "wal_log_hints": "on",
        "wal_keep_size": "128MB",
        "max_slot_wal_keep_size": "1GB",  # a Region that is away cannot fill the disk
        "wal_sender_timeout": "10s",
        "wal_receiver_timeout": "10s",
        "wal_receiver_status_interval": "1s",
        "wal_retrieve_retry_interval": "500ms",  # the default of 5 s would rule the time to rejoin
        "primary_conninfo": conninfo(home, ports, region),
        "primary_slot_name": slot_name(region),
        "log_timezone": "GMT",
        "timezone": "GMT",
        # Statements carry tenants' clear fields: the log of a failed one shows its error alone.
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": 0,
        "log_error_verbosity": "terse",  # the DETAIL of a constraint shows the values of the row
    }
