"""`agentlog delivery`, as somebody types it."""

from __future__ import annotations


def test_what_was_done_once_is_marked_shown_and_not_done_again(cli):
    """Whatever carried the key: a mark, or a message."""
    assert cli("delivery", "show", "turn-7").status == 1
    first = cli("delivery", "mark", "turn-7", "--details", '{"id": 5}', "--json").document
    assert (first["key"], first["first_position"], first["duplicate"]) == ("turn-7", 1, False)
    again = cli("delivery", "mark", "turn-7", "--json").document
    assert again == first | {"duplicate": True}
    assert cli("delivery", "show", "turn-7", "--json").document == again
    cli("sessions", "append", "s", "hello", "--idempotency-key", "said")
    assert cli("delivery", "show", "said", "--json").document["first_position"] == 2
    assert cli("delivery", "cleanup").out == "dropped\t0\n"
    assert cli("delivery", "mark", "").status == 2
