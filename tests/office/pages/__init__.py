"""The pages in a real browser, against the real server: nothing between them is stood in for."""
