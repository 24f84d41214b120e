"""Who the server runs as, for every kind of machine. Pure: the facts are made up."""

from __future__ import annotations

import os

import pytest

from eventlog.embedded.privileges import Account, Directory, Facts, Identity, decide, first_wall, path_of
from eventlog.errors import EmbeddedPostgresError

ROOT = Account("root", 0, 0)
ALICE = Account("alice", 1000, 1000)
BOB = Account("bob", 1001, 1001)
POSTGRES = Account("postgres", 101, 104)
NOBODY = Account("nobody", 65534, 65534)
DAEMON = Account("daemon", 1, 1)
NAMELESS = Account("", 54321, 0)

OPEN = (Directory("/", 0, 0, 0o755), Directory("/srv", 0, 0, 0o755))
BELOW_ROOT = (Directory("/", 0, 0, 0o755), Directory("/root", 0, 0, 0o700))
ALICES = (*OPEN, Directory("/srv/alice", 1000, 1000, 0o700))

FACTS = Facts(
    me=ROOT,
    cluster_owner=None,
    data_owner=ROOT,
    users=(POSTGRES, NOBODY),
    may_become=True,
    inner=DAEMON,
    data_path=OPEN,
    programs_path=OPEN,
    namespaces=True,
    entering=True,
)


def who(**changes):
    return decide(FACTS._replace(**changes))


def as_user(user, by_path=True):
    return Identity("user", user.uid, user.gid, user.uid, user.gid, by_path, user.name)


IN_NAMESPACE = Identity("namespace", 1, 1, 0, 0, True, "daemon")


def test_an_ordinary_user_runs_it_as_himself():
    assert who(me=ALICE, cluster_owner=ALICE, data_owner=ALICE) == Identity(
        "own", 1000, 1000, 1000, 1000, True, "alice"
    )


def test_an_ordinary_user_cannot_open_the_cluster_of_another():
    with pytest.raises(EmbeddedPostgresError, match=r"belongs to 'bob' .*open it as 'bob'"):
        who(me=ALICE, cluster_owner=BOB)


def test_a_uid_without_a_name_gets_one_in_a_namespace():
    """Containers run with any uid, and Postgres insists on an entry in passwd."""
    assert who(me=NAMELESS) == Identity("namespace", 1, 1, 54321, 0, True, "daemon")


def test_a_uid_without_a_name_is_told_so_where_there_are_no_namespaces():
    with pytest.raises(EmbeddedPostgresError, match="uid 54321 has no name"):
        who(me=NAMELESS, namespaces=False)


def test_root_becomes_the_first_of_the_users_made_for_this():
    assert who() == as_user(POSTGRES)


def test_root_enters_the_directory_for_a_user_who_cannot_reach_it():
    """A working directory needs no permission on what is above it."""
    assert who(data_path=BELOW_ROOT) == as_user(POSTGRES, by_path=False)


def test_a_directory_that_cannot_be_entered_for_the_user_leads_to_the_namespace():
    assert who(data_path=BELOW_ROOT, entering=False) == IN_NAMESPACE


def test_programs_that_only_root_can_reach_lead_to_the_namespace():
    assert who(programs_path=BELOW_ROOT, data_path=BELOW_ROOT) == IN_NAMESPACE


def test_root_that_cannot_become_another_user_leads_to_the_namespace():
    """Containers drop CAP_SETUID and the like."""
    assert who(may_become=False) == IN_NAMESPACE


def test_where_nothing_works_the_directory_is_named():
    with pytest.raises(EmbeddedPostgresError, match=r"'postgres' .* cannot pass /root \(mode 0700") as caught:
        who(programs_path=BELOW_ROOT, namespaces=False)
    assert caught.value.directory == "/root"
    assert "postgresql://" in str(caught.value)


def test_where_there_is_no_user_at_all_that_is_said():
    with pytest.raises(EmbeddedPostgresError, match="there is no user named agentlog, postgres, nobody"):
        who(users=(), namespaces=False)


def test_where_capabilities_are_missing_that_is_said():
    with pytest.raises(EmbeddedPostgresError, match="lacks the capabilities"):
        who(may_become=False, namespaces=False)


def test_inside_a_namespace_root_cannot_pass_what_belongs_to_others():
    """Its capabilities end at the border of the namespace."""
    with pytest.raises(EmbeddedPostgresError, match="cannot pass /root"):
        who(programs_path=BELOW_ROOT, data_path=ALICES)


def test_root_runs_a_persons_cluster_as_that_person():
    """Opened by root once, it must still be theirs afterwards."""
    assert who(cluster_owner=ALICE, data_owner=ALICE, data_path=ALICES) == as_user(ALICE)


def test_root_makes_a_new_cluster_in_a_persons_directory_as_that_person():
    assert who(data_owner=ALICE, data_path=ALICES) == as_user(ALICE)


def test_root_refuses_rather_than_taking_a_persons_cluster_away():
    with pytest.raises(EmbeddedPostgresError, match=r"'alice' .* cannot pass /root .*belongs to 'alice'"):
        who(cluster_owner=ALICE, data_owner=ALICE, data_path=ALICES, programs_path=BELOW_ROOT)


def test_a_cluster_made_by_root_may_change_its_way_of_running():
    """It was root's before and is root's again: nobody is locked out."""
    assert who(cluster_owner=POSTGRES, programs_path=BELOW_ROOT) == IN_NAMESPACE
    assert who(cluster_owner=ROOT) == as_user(POSTGRES)
    assert who(cluster_owner=NOBODY) == as_user(NOBODY)


@pytest.mark.parametrize(
    ("user", "mode", "passes"),
    [
        (ALICE, 0o100, True),
        (ALICE, 0o677, False),  # the owner's bits count for the owner, however open the others are
        (Account("bob", 1001, 1000), 0o010, True),
        (Account("bob", 1001, 1000), 0o707, False),
        (BOB, 0o001, True),
        (BOB, 0o770, False),
    ],
)
def test_a_directory_is_passed_by_the_bits_of_owner_group_or_others(user, mode, passes):
    directory = Directory("/home/alice", 1000, 1000, mode)
    assert first_wall(user, (directory,)) == (None if passes else directory)


def test_the_path_is_looked_at_from_the_top_with_links_resolved(tmp_path):
    (tmp_path / "real").mkdir(mode=0o750)
    (tmp_path / "link").symlink_to("real")
    path = path_of(str(tmp_path / "link"))
    assert path[0].path == "/"
    assert path[-1] == Directory(str(tmp_path.resolve() / "real"), os.geteuid(), path[-1].gid, 0o750)
