"""The way in, step by step: receive, verify, check, admit, acknowledge, register; and `track` for received statuses."""
