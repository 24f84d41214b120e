"""Keys, as examples: what was set, then where its value stands."""

from __future__ import annotations

from datetime import UTC, datetime

from eventlog.events import KeyDeleted, KeySet, raw
from projections.columns import LATEST
from projections.keyvalue import KEY_VALUES, KeyValue
from tests.projections.given import Example
from tests.support.histories import unreadable

key = Example(KEY_VALUES)
SET = KeySet("k", raw(1), "ns")


def test_a_key_that_was_set_says_which_event_has_its_value() -> None:
    """The same value again stands elsewhere, so it is a change."""
    assert key.when(SET).state == KeyValue("ns", "k", True, 1, None)
    key.given(SET).when(SET).then(value_version=2)


def test_the_expiry_is_that_of_the_last_value() -> None:
    """Setting a key without one makes it last; a time that no column holds is the last there is."""
    until = datetime(2026, 12, 1, tzinfo=UTC)
    expiring = KeySet("k", raw(1), "ns", until)
    key.given(SET).when(expiring).then(expires_at=until)
    key.given(expiring).when(SET).then(expires_at=None)
    key.when(KeySet("k", raw(1), expires_at=datetime.max.replace(tzinfo=UTC))).then(expires_at=LATEST)


def test_a_deleted_key_is_not_set() -> None:
    """Deleting twice is deleting once; setting it again brings it back."""
    key.given(SET).when(KeyDeleted("k", "ns")).then(is_set=False, expires_at=None)
    key.given(SET, KeyDeleted("k", "ns")).when(KeyDeleted("k", "ns", "again")).then_nothing_changes()
    key.given(SET, KeyDeleted("k", "ns")).when(SET).then(is_set=True, value_version=3)
    key.when(KeyDeleted("k", "ns")).then(is_set=False, value_version=None)


def test_a_value_that_cannot_be_read_leaves_the_one_before() -> None:
    """A later release wrote it, and its readers know it."""
    key.given(SET).when(unreadable(KeySet)).then_nothing_changes()
    assert key.when(unreadable(KeySet)).state == KeyValue()


def test_a_name_that_no_index_holds_is_left_out() -> None:
    """The append must not fail; the log keeps the name. NUL is shown as U+FFFD."""
    key.when(KeySet("x" * 5000, raw(1), "\x00")).then(name="", namespace="\ufffd", is_set=True)
