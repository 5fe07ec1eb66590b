"""What is told of a document, the same at every door: states and facts in words, what was checked on arrival, where each
recipient stands and what can be done next. In: documents, deliveries, facts and checks as the node keeps them. Out: views,
which programs, terminals, pages, lists and evidence show each in its own form. Pure but for the catalogues of words."""
