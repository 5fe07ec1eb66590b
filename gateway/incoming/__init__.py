"""The way in, in order: receive, verify, check, admit, acknowledge, register; track and waiting beside them."""
