"""Looks up what privileges.py decides on, and hands files over to the chosen user. Decides nothing."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys

from eventlog.embedded.binaries import find_python
from eventlog.embedded.layout import Layout
from eventlog.embedded.privileges import (
    OVERFLOW_UID,
    PREFERRED_INNER_USERS,
    PREFERRED_USERS,
    Account,
    Facts,
    Identity,
    decide,
    path_of,
)

# Bits of CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID and CAP_SETUID.
NEEDED_CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7
LAUNCHER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch.py")


def choose_identity(layout: Layout, programs: str) -> Identity:
    """Return who the server of this directory runs as. Raises EmbeddedPostgresError when nobody can."""
    facts = gather(layout, programs)
    identity = decide(facts)
    if identity.how == "namespace" and not namespaces_work(identity):
        return decide(facts._replace(namespaces=False))
    return identity


def gather(layout: Layout, programs: str) -> Facts:
    """Look at this process, the system's users and the directories. Namespaces are assumed to work."""
    data_dir = os.path.dirname(layout.root)
    root = os.stat(layout.root) if os.path.isdir(layout.root) else None
    data = os.stat(data_dir)
    inner = [user for user in _existing(PREFERRED_INNER_USERS) if user.uid not in (0, OVERFLOW_UID)]
    return Facts(
        me=account_of(os.geteuid(), os.getegid()),
        cluster_owner=None if root is None else account_of(root.st_uid, root.st_gid),
        data_owner=account_of(data.st_uid, data.st_gid),
        users=tuple(user for user in _existing(PREFERRED_USERS) if _is_mapped(user.uid)),
        may_become=_may_become_others(),
        inner=inner[0] if inner else None,
        data_path=path_of(data_dir),
        programs_path=path_of(programs),
        namespaces=sys.platform == "linux",
        entering=os.path.exists("/proc/self/cwd"),
    )


def account_of(uid: int, gid: int) -> Account:
    """The user with this uid; one without an entry in passwd gets the gid at hand and no name."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Account("", uid, gid)
    return Account(entry.pw_name, uid, entry.pw_gid)


def _existing(names: tuple[str, ...]) -> list[Account]:
    accounts = []
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            accounts.append(Account(name, entry.pw_uid, entry.pw_gid))
    return accounts


def _may_become_others() -> bool:
    """Does root have what it takes here? Containers drop capabilities."""
    if sys.platform != "linux":
        return os.geteuid() == 0
    with open("/proc/self/status") as file:
        line = next((line for line in file if line.startswith("CapEff:")), "CapEff: 0")
    return int(line.split()[1], 16) & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES


def _is_mapped(uid: int) -> bool:
    """Does the uid exist in our user namespace? A sandbox may have no other than root's."""
    try:
        with open("/proc/self/uid_map") as file:
            ranges = [[int(number) for number in line.split()] for line in file]
    except FileNotFoundError:
        return True
    return any(first <= uid < first + count for first, _, count in ranges)


def namespaces_work(identity: Identity) -> bool:
    """Try to make a user namespace with these ids: sandboxes forbid it in ways that only trying shows."""
    command = [find_python(), "-I", "-S", LAUNCHER, "namespace", str(identity.uid), str(identity.gid)]
    return (
        subprocess.run(
            [*command, "/", "", "", "-1", "/bin/true"], capture_output=True, check=False
        ).returncode
        == 0
    )


def hand_over(layout: Layout, identity: Identity) -> None:
    """Give everything in the server's directory to the user it runs as. Touches nothing above or outside.

    Only root can; for anybody else the files are their own already. Called under start.lock while no
    server runs. Files with several names are left alone: the other name may be anybody's.
    """
    if os.geteuid() != 0:
        return
    if _owner(layout.cluster) not in (None, identity.owner_uid):
        # From the inside out, the top last: its owner tells whether all of it was handed over.
        for directory, _, files in os.walk(layout.cluster, topdown=False):  # does not follow symbolic links
            for name in files:
                _give(os.path.join(directory, name), identity)
            _give(directory, identity)
    _give(layout.root, identity)
    for directory, names, files in os.walk(layout.root):
        if directory == layout.root and "cluster" in names:
            names.remove("cluster")  # done above, or theirs already
        for name in names + files:
            _give(os.path.join(directory, name), identity)


def _give(path: str, identity: Identity) -> None:
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        return
    if (status.st_uid, status.st_gid) != (identity.owner_uid, identity.owner_gid):
        os.lchown(path, identity.owner_uid, identity.owner_gid)


def _owner(path: str) -> int | None:
    return os.lstat(path).st_uid if os.path.isdir(path) else None
