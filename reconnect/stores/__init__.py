"""Where the records of sessions live: in memory, in SQLite, in Redis."""
