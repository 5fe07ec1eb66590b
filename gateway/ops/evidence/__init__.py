"""Evidence packs: made from a node's data, and verified years later, without a node or a network."""
