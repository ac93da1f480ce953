"""Random kills under people who stay: what must hold all along, and how long it takes to recover."""
