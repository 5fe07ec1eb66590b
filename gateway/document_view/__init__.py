"""Views of a document, the same for programs, terminals, pages, lists and evidence: states and facts in words, checks on
arrival, the standing of each recipient and the next steps. In: documents, deliveries, facts and checks as the node keeps
them. Out: views, which each front end shows in its own form. Pure but for the catalogues of words."""
