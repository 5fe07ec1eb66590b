"""What both lists and the search share: an address as a question, columns, who may see what, bulk acts, news."""
