"""The settings let in whom they name, and nobody else."""

from __future__ import annotations

from eventlog.embedded.configuration import ident_text


def test_a_users_name_cannot_add_a_line_of_its_own_to_the_map():
    """Only names that stand between quotation marks as they are."""
    text = ident_text(["root", "", 'evil" postgres\nagentlog "all'])
    assert [line for line in text.splitlines() if not line.startswith("#")] == ['agentlog "root" agentlog']
