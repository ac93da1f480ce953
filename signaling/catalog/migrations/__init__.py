"""Alembic's folder; run at every start by ``catalog.store``."""
