"""A database as a source: PostgreSQL, MySQL, MariaDB or SQLite, read only."""
