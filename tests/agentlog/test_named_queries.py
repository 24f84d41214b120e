"""Named queries, as programs ask them: fresh, of the tenant, refused with words."""

from __future__ import annotations

from datetime import date

import pytest

from agentlog.errors import BadInput, WrongTenant
from tests.agentlog.test_archive import fill


async def test_a_named_query_is_an_answer_like_any_other(store):
    """Fresh, built or not, awaited or not."""
    await fill(store, 3)

    totals = await store.archive.query("totals")
    assert totals.dicts()[0]["messages"] == 3
    await store.archive.build()
    await fill(store, 1)

    by_model = store.archive.query("tokens_by_model", since=date(2020, 1, 1), until="2999-12-31")
    assert [(row["model"], row["output_tokens"]) for row in by_model.dicts()] == [("m", 3)]
    assert store.archive.query("tokens_by_model", until="2020-01-01").rows == []
    assert store.local.archive.query("totals").dicts()[0]["messages"] == 4


async def test_a_store_of_one_tenant_asks_about_that_tenant(open_store, store):
    """And a store of none about all of them, or about the one that is named."""
    await fill(store, 1)
    await store.conversation.append("main", {"role": "user", "content": "hi"}, tenant="acme")

    assert (await store.archive.query("totals")).dicts()[0]["messages"] == 2
    assert (await store.archive.query("totals", tenant="acme")).dicts()[0]["messages"] == 1
    async with open_store("acme", tenant="acme") as acme:
        assert (await acme.archive.query("totals")).dicts()[0]["messages"] == 1
        with pytest.raises(WrongTenant):
            acme.archive.query("totals", tenant="umbrella")


async def test_what_cannot_be_asked_is_refused_at_once(store):
    """Not only when somebody looks at the answer."""
    with pytest.raises(BadInput, match="archive queries"):
        store.archive.query("no_such")
    with pytest.raises(BadInput, match="since, until"):
        store.archive.query("tokens_by_day", day=1)
    with pytest.raises(BadInput, match="needs 'session'"):
        store.archive.query("session_tree")


async def test_the_queries_are_listed_with_their_columns(store):
    """What a program needs to offer them."""
    found = {query.name: query for query in store.archive.queries()}

    assert found["session_tree"].parameters[0].required
    assert found["tokens_by_day"].columns[-1].name == "unpriced_responses"
