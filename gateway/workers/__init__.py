"""Workers: the steps of long-running loops, and the code that repeats them."""
