"""Bugs planted on purpose, one at a time, in a copy of the tree: a suite is believed once it finds them.

    bug.py         what a planted bug is, and how one is put into a copy
    disk.py        writing and syncing segments and the small files
    recovery.py    reading, recovering, judging what is torn and what is damage
    writing.py     the writer, what callers are told, copying from Postgres
    gate.py        forming batches and the append functions
    mending.py     repair, restore, the embedded server
    suites.py      runs a suite in a copy and says whether it failed
    __main__.py    python -m tests.reliability.planted

The tree itself is never changed.
"""
