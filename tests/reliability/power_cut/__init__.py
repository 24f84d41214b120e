"""Real power cuts: real file systems on a disk of our own, cut off at any moment. Needs root; no test here.

    python -m tests.reliability.power_cut --seed S --cuts 500 --both 200

`recording` is the disk as values, `disk` serves it through FUSE, `rig` mounts a file system on it;
`segments`, `stores` and `faults` are what happens on it; `run` puts them together.
"""
