"""Measurements and load: benches of single parts, clients, scenarios, fleets."""
