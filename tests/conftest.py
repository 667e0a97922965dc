"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# The machines that run this have two cores, shared: a slow example says nothing about the code.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
