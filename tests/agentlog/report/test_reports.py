"""Reports, as programs ask for them."""

from __future__ import annotations

import pytest

from agentlog.errors import BadInput, NotFound, WrongTenant
from tests.agentlog.test_archive import fill


async def test_a_report_holds_what_was_just_appended(store, tmp_path):
    """From Parquet files or not; the file that was there is replaced."""
    await fill(store, 3)
    await store.archive.build()
    await fill(store, 2)
    steps = []

    def tell(*step):
        steps.append(step)

    first = await store.archive.report(tmp_path / "r.html", svg=tmp_path / "svg", progress=tell)
    await fill(store, 1)
    second = await store.archive.report(str(tmp_path / "r.html"), title="Ours", since="2020-01-01")

    assert (second.path, second.position - first.position) == (first.path, 1)
    text = second.path.read_text()
    assert "<title>Ours</title>" in text
    assert '<dt>Messages</dt><dd class="value">6</dd>' in text
    assert first.charts
    assert all(path.exists() for path in first.charts)
    assert steps[-1][0] == steps[-1][1] == len(steps)


async def test_a_report_is_of_one_tenant_or_of_all(open_store, store, tmp_path):
    """Nothing of another's is on the page."""
    await fill(store, 1)
    await store.sessions.create("secret", title="secret plans", tenant="umbrella")
    await store.conversation.append("secret", {"role": "user", "content": "hi"}, tenant="umbrella")

    whole = (await store.archive.report(tmp_path / "r.html")).path.read_text()
    async with open_store("acme", tenant="acme") as acme:
        own = (await acme.archive.report(tmp_path / "acme.html")).path.read_text()
        with pytest.raises(WrongTenant):
            await acme.archive.report(tmp_path / "no.html", tenant="umbrella")
    assert "secret plans" in whole
    assert "secret" not in own
    assert "Tenant acme" in own
    assert not (tmp_path / "no.html").exists()


async def test_a_report_of_what_is_not_there_is_refused_and_writes_nothing(store, tmp_path):
    """With words."""
    await fill(store, 1)
    with pytest.raises(NotFound):
        await store.archive.report(tmp_path / "r.html", session="nobody")
    with pytest.raises(BadInput, match="must be a date"):
        await store.archive.report(tmp_path / "r.html", since="soon")
    assert not (tmp_path / "r.html").exists()


async def test_an_answer_is_a_table_in_a_notebook(store):
    """Escaped; of a named query as well."""
    await store.conversation.append("main", {"role": "user", "content": "<script>x</script>"})

    html = store.archive.sql("select text, 12345 as n from messages")._repr_html_()

    assert "<td>&lt;script&gt;x&lt;/script&gt;</td>" in html
    assert '<td class="number">12,345</td>' in html
    assert "<script" not in html
    assert "<table>" in store.archive.query("totals")._repr_html_()
