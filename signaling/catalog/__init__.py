"""SQL: teachers, lessons, links, events, attendance. ``catalog.store.Catalog`` is its whole interface."""
