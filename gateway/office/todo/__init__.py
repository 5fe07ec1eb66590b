"""The to-do list of an agency: what needs a hand, what people note about it, and of what they are reminded."""
