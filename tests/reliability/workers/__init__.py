"""Workers die under load: `make kill-workers`. Their queue and their tasks are judged by the log alone."""
