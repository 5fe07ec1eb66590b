"""Accounts of persons: signing in and out, passwords, posts, delegations, idle accounts, and who read what."""
