"""Reads logs again, ours and others': rebuild, verify, restore, import, export. Decides nothing."""
