"""SQL: teachers, lessons, links, events, attendance, recordings, video lessons.

Its whole interface is ``catalog.store.Catalog`` and, for recordings, ``catalog.recordings.Recordings``.
"""
