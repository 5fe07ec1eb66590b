"""The register books: read line by line, checked, and written as table, text or page. Nothing here changes a book."""
