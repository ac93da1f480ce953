"""The composition root: settings, command line, process tree."""
