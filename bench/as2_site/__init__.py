"""The Django project in which django-pyas2 runs for `peer_http`, in an environment and in processes of its own: no module
of ours loads that library, and these files run there alone."""
