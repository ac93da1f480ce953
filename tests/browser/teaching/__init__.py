"""Steps of lessons in which the tools for teaching are used, one file a capability."""
