"""Draws pages of files from outside as pictures: `child` draws in a process of its own, `drawer` sends it questions."""
