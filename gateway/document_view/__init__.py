"""Views of a document, the same for programs, terminals, pages, lists and evidence: states and facts in words, checks on
arrival, the state and next steps of each recipient. In: documents, deliveries, facts and checks as stored. Out: views,
which each front end shows in its own form. Pure functions, apart from the catalogues of words."""
