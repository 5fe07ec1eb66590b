"""The promises that the office needs kept."""
