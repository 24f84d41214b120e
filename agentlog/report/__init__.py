"""The report: one HTML page with charts of the named queries, and the charts as files. Needs no network.

`asked.py` asks the archive, `figures.py` and `sections.py` turn rows into charts, `page.py` into a page; all
but the first are pure.
"""
