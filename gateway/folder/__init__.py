"""The hot folder: documents go out and come in as files, with the words of the API."""
