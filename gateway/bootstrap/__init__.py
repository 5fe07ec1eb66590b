"""The wiring: builds every adapter from the settings and hands it to the flows. Nothing runs on import."""
