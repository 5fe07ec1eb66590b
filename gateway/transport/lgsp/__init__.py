"""The provincial service (LGSP), as its guide has it (dialect R2)."""
