"""Towns for tests: nodes with agencies, set up by one builder. `builder` opens a town and names its parameters, `scenes`
fills it, `acts` has the acts of a test, `doors` the ways to call it, `axes` the connections between nodes, and `rigs` opens
axes without a node."""
