"""The soak: documents go between nodes while processes are killed, lines are cut and services are harmed; afterwards both
sides' databases are read and compared. `python -m bench.soak` runs it; the tests run the same with small numbers."""
