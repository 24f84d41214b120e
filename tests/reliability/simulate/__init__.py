"""Whole machines in one process, from one seed: the log's own code on simulated disks, clocks and Postgres.

    loop.py        an event loop with virtual time, whose order comes from the seed; threads run inside it
    tables.py      what a Postgres server holds for one log, and its append functions
    server.py      a server of it: connections as asyncpg gives them, and their faults
    machine.py     hosts and processes: disk, clock, open logs, kills and power cuts
    commands.py    what agents append
    run.py         one run: agents that append, trouble that comes, and what everybody was told
    states.py      crashed disks: every operation of a run, several fates of what was not synced
    recovery.py    one crashed disk is recovered and checked
    damage.py      a disk that changes what was synced
    explore.py     a run, and all the states that it is asked for
    __main__.py    python -m tests.reliability.simulate

Only the file system, the clock and asyncpg.connect are replaced; all else is the product.
"""
