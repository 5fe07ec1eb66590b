"""What the office keeps: lists, views, tags, tasks, sessions, posts."""
