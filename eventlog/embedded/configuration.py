"""Says how the server is configured: durable, private, small. Pure text; who writes it is cluster.py.

postgresql.conf stays the user's and is read first; what stands here wins over it. postgresql.auto.conf
(ALTER SYSTEM) is never touched and wins over this file, but not over the command line, where
everything stands that durability and privacy hang on.
"""

from __future__ import annotations

from collections.abc import Iterable

from eventlog.embedded.layout import PORT, ROLE

SETTINGS_FILE = "agentlog.conf"
HBA_FILE = "agentlog_hba.conf"
IDENT_FILE = "agentlog_ident.conf"

# Given on the command line: no file and no ALTER SYSTEM overrides these.
FIXED = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "port": str(PORT),
    # Relative to the cluster: the server's side of the socket has no limit of its length then.
    "unix_socket_directories": "../socket",
    "unix_socket_permissions": "0700",
}

SETTINGS = {
    "cluster_name": "agentlog",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "autovacuum": "on",
    # Short statements with short plans: compiling one costs more than running it.
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] ",
    # The launcher waits for as long as a recovery reports progress.
    "log_startup_progress_interval": "1s",
}

HEADER = "# Written by agentlog at each start; changes here are lost. Yours belong into postgresql.conf.\n"


def settings_text() -> str:
    lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
    return HEADER + "include_if_exists = 'postgresql.conf'\n" + "".join(lines)


def hba_text() -> str:
    """Local users by their system user; anybody who opens a TCP port needs passwords."""
    return (
        HEADER
        + "local all         all              peer map=agentlog\n"
        + "local replication all              peer map=agentlog\n"
        + "host  all         all all          scram-sha-256\n"
    )


def ident_text(users: Iterable[str]) -> str:
    """Let these users of the system, and no others, be the role that owns everything."""
    lines = [f'agentlog "{user}" {ROLE}\n' for user in sorted(set(users)) if user and '"' not in user]
    return HEADER + "".join(lines)


def command_line(base: str, mark: str) -> list[str]:
    """The server's arguments.

    `base` is the cluster as the server reaches it. `mark` names it for whoever looks at the process:
    Postgres keeps a setting with a dot in its name without asking what it means.
    """
    arguments = ["-D", base, "-c", mark]
    files = {"config_file": SETTINGS_FILE, "hba_file": HBA_FILE, "ident_file": IDENT_FILE}
    for name, value in {**{key: f"{base}/{file}" for key, file in files.items()}, **FIXED}.items():
        arguments += ["-c", f"{name}={value}"]
    return arguments
