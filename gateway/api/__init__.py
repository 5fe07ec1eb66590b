"""Front door for programs: HTTP and JSON over the use cases."""
