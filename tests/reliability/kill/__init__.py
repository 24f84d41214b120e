"""kill -9 of real processes, at random instants and at every system call. Commands are in __main__.py."""
