"""A flow while it is written: what is wrong with it, and how it is drawn."""
