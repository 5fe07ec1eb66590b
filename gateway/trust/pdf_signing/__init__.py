"""Puts the agency's own signature on a PDF, in person (R23a, R24, R25). In: a file, a place, an opened key. Out: the file
with one signature behind it. `signer` is the door; `token` and `key_file` open keys."""
