"""Media whose content is known: makers of films and sounds, and what reads them back."""
