"""Towns for tests: nodes with agencies, set up by one builder. `builder` opens a town and names its parameters, `scenes`
says what stands in it, `acts` what a test does with it, `doors` how it is called, `axes` what its nodes are connected by,
and `rigs` opens axes without a node."""
