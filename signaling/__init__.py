"""People and lessons: links, tickets, the lesson log, the pages' one WebSocket."""
