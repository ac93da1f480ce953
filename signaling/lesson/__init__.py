"""The rules of a lesson, one file a capability: pure functions from state and message to a Change."""
