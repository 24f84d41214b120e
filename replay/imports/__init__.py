"""Foreign transcripts become events: `runner.import_paths`. A live agent's own writing is not here.

    lines        a file as numbered spans of bytes, in bounded memory
    record       one line of JSON, taken apart without losing a byte
    thread       whose transcript a file is
    claude_code  the lines of one file as events, in order (message, queue, usage: its parts)
    original     an imported event back to the record it came from
    identity     ids that are the same on every import
    quarantine   where unreadable bytes go
    present      which events of a stream the log already has
    runner       files in, summary out

Reference: docs/reference/import-claude-code.md.
"""
