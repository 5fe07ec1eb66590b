"""Storage of the office: lists, views, tags, tasks, sessions, posts."""
