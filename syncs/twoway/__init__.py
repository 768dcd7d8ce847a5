"""Two syncs that are each other's way back: who is right, field by field."""
