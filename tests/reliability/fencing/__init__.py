"""Several writers on one log: in one process, in several, on several hosts; paused, forked, killed, copied.

__main__.py   the command
series.py     draws races from a seed, runs and judges them
faults.py     what happens to writers during a race
scenes.py     single situations, each with one right outcome
crew.py       processes that are kept alive over races, and how they are spoken to
worker.py     such a process: opens stores, lets agents append, follows the log, judges it
seams.py      a file system that stops its process, a clock that is wrong
"""
