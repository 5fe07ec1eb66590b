"""Evidence packs: made from what a node keeps, and verified years later by anybody, without a node or a network."""
