"""The command line: one module per noun; parse words, call one use case, print the result."""
