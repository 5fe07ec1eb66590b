"""The office in simulated worlds: persons at work as at their pages, and checks of what they did."""
