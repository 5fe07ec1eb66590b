"""What persons decide: who they are, what they propose and approve together, and what one of them may end at once."""
