"""The API for programs: HTTP and JSON over the use cases."""
