"""The table of faults: real faults on a pair of nodes at work, which tests put and take away one after another."""
