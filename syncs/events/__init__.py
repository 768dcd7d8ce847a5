"""Events that come in: proved, read, stored before they are answered, handed on."""
