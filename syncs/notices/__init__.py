"""Change notices of vendors: proved and stored as they come, then read as changes."""
