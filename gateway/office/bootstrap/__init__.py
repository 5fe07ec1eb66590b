"""The wiring of the office, over an open node. Nothing runs on import."""
