"""Reads logs again, ours and others': rebuild, verify, repair, restore, import. Decides nothing."""
