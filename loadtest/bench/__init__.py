"""Measurements of single parts: ``zvonok bench NAME`` runs ``main(arguments) -> exit code`` of NAME."""
