"""Decides which user the server runs as, and how it gets there. Changes nothing.

Postgres refuses to run as uid 0, and nobody should have to loosen the mode of a parent directory for it.

    how        the server is                                    when
    own        us                                               we are not root
    user       an ordinary user, who can get at the cluster      we are root, and that user can reach the
               through its path, or through the working          programs
               directory that root enters for it
    namespace  us, seen as another uid in a user namespace      the programs are below a directory that only
                                                                root can enter; or our uid has no name

Reaching the cluster through an entered working directory works below a 0700 parent, and needs no user
namespace, which containers often forbid.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from eventlog.errors import EmbeddedPostgresError

PREFERRED_USERS = ("agentlog", "postgres", "nobody")
# Inside a namespace the server needs a uid that has a name and is not the overflow uid, as whom all the
# users outside of the namespace appear.
PREFERRED_INNER_USERS = ("daemon", "bin", "postgres", "www-data")
OVERFLOW_UID = 65534


class Account(NamedTuple):
    """A user of the system. `name` is empty for a uid without an entry in passwd."""

    name: str
    uid: int
    gid: int


class Directory(NamedTuple):
    """What decides whether a user may pass a directory."""

    path: str
    uid: int
    gid: int
    mode: int


class Facts(NamedTuple):
    """All that the decision depends on."""

    me: Account
    cluster_owner: Account | None  # of <data_dir>/postgres; None while there is none
    data_owner: Account  # of <data_dir>
    users: tuple[Account, ...]  # existing ones of PREFERRED_USERS, in that order
    may_become: bool  # we have the capabilities to give files away and to become another user
    inner: Account | None  # an existing one of PREFERRED_INNER_USERS
    data_path: tuple[Directory, ...]  # from / to <data_dir>
    programs_path: tuple[Directory, ...]  # from / to the programs
    namespaces: bool  # user namespaces can be made here
    entering: bool  # /proc/self/cwd exists, so a working directory can stand for the path


class Identity(NamedTuple):
    """Who the server is.

    Attributes:
        how: "own", "user" or "namespace".
        uid, gid: what the program sees. In a namespace these stand for us.
        owner_uid, owner_gid: who owns the files, as we see it.
        by_path: the cluster is reached by its path, not only by an entered working directory.
        name: of `uid`, as peer authentication sees it; empty if it has none.
    """

    how: str
    uid: int
    gid: int
    owner_uid: int
    owner_gid: int
    by_path: bool
    name: str


def decide(facts: Facts) -> Identity:
    """Return who the server shall be.

    Raises:
        EmbeddedPostgresError: nobody suitable can run the programs; the message names the directory.
    """
    if facts.me.uid != 0:
        return _as_ourselves(facts)
    walls: list[tuple[Account, Directory | None]] = []
    for user in _users_for_root(facts):
        wall = first_wall(user, facts.programs_path)
        if wall is not None:
            walls.append((user, wall))
            continue
        by_path = first_wall(user, facts.data_path) is None
        if by_path or facts.entering:
            return Identity("user", user.uid, user.gid, user.uid, user.gid, by_path, user.name)
        walls.append((user, first_wall(user, facts.data_path)))
    if _settled(facts):
        raise _refusal(facts.cluster_owner or facts.me, walls[0][1] if walls else None, facts)
    # Inside a namespace root has no capability outside of it: it passes only what it owns or what is open.
    wall = first_wall(facts.me, facts.programs_path) or first_wall(facts.me, facts.data_path)
    if facts.namespaces and facts.inner is not None and wall is None:
        return _in_namespace(facts.me, facts.inner)
    raise _refusal(*(walls[0] if walls else (facts.me, wall)), facts)


def _as_ourselves(facts: Facts) -> Identity:
    me, owner = facts.me, facts.cluster_owner
    if owner is not None and owner.uid != me.uid:
        raise EmbeddedPostgresError(
            f"the cluster of this data directory belongs to {_called(owner)}, and we are {_called(me)}",
            hint=f"open it as {_called(owner)} or as root, or use a data directory of your own",
            owner_uid=owner.uid,
            own_uid=me.uid,
        )
    if me.name:
        return Identity("own", me.uid, me.gid, me.uid, me.gid, True, me.name)
    if facts.namespaces and facts.inner is not None:
        return _in_namespace(me, facts.inner)
    raise EmbeddedPostgresError(
        f"uid {me.uid} has no name in /etc/passwd, which Postgres needs, "
        "and no user namespace can be made here",
        hint="add the uid to /etc/passwd, or open the log with postgres='postgresql://…'",
        own_uid=me.uid,
    )


def _in_namespace(me: Account, inner: Account) -> Identity:
    return Identity("namespace", inner.uid, inner.gid, me.uid, me.gid, True, inner.name)


def _settled(facts: Facts) -> bool:
    """Does the cluster belong to a person? Then nobody else may have it: they would be locked out."""
    owner = facts.cluster_owner
    return owner is not None and owner.uid != 0 and owner not in facts.users


def _users_for_root(facts: Facts) -> Iterator[Account]:
    """Whoever owns the files already comes first, so that they can still open them as themselves."""
    if not facts.may_become:
        return
    if facts.cluster_owner is not None and facts.cluster_owner.uid != 0:
        yield facts.cluster_owner
        if _settled(facts):
            return
    elif facts.data_owner.uid != 0 and facts.data_owner.name:  # initdb insists on a name
        yield facts.data_owner
    yield from facts.users


def first_wall(user: Account, path: tuple[Directory, ...]) -> Directory | None:
    """Return the first directory of `path` that the user cannot pass by its mode; None if there is none.

    Only the user's own group counts: the server runs without supplementary groups.
    """
    for directory in path:
        if user.uid == directory.uid:
            needed = stat.S_IXUSR
        elif user.gid == directory.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not directory.mode & needed:
            return directory
    return None


def _refusal(user: Account, wall: Directory | None, facts: Facts) -> EmbeddedPostgresError:
    if wall is not None:
        reason = f"{_called(user)} cannot pass {wall.path} (mode {wall.mode:04o}, uid {wall.uid})"
    elif not facts.may_become:
        reason = "this process lacks the capabilities to become another user"
    else:
        reason = f"there is no user named {', '.join(PREFERRED_USERS)}"
    also = (
        f"the cluster belongs to {_called(user)}" if _settled(facts) else "no user namespace can be made here"
    )
    return EmbeddedPostgresError(
        f"we are root, Postgres refuses to run as root, {reason}, and {also}",
        hint="run agentlog as an ordinary user; or install it and its Python where other users can enter; "
        "or let others enter that directory (agentlog changes no modes); "
        "or open the log with postgres='postgresql://…'",
        directory=None if wall is None else wall.path,
        user=user.name,
    )


def _called(user: Account) -> str:
    return f"{user.name!r} (uid {user.uid})" if user.name else f"uid {user.uid}"


def path_of(directory: str) -> tuple[Directory, ...]:
    """Look at every directory from / to this one, symbolic links resolved."""
    parts, path = [], os.path.realpath(directory)
    while True:
        status = os.stat(path)
        parts.append(Directory(path, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)))
        if path == os.path.dirname(path):
            return tuple(reversed(parts))
        path = os.path.dirname(path)
