"""How fast agentlog is here, always next to a baseline measured in the same run.

Machines are noisy, so the ratios count, not the absolute figures. `python -m benchmarks` runs all,
`python -m benchmarks append` one. Not tests: nothing fails when a target is missed, it is printed.
"""
