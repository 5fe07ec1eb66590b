"""Evidence packs, which are made from a node's data and can be verified years later, without a node or a network."""
