"""Configuration as a file: one YAML document, exported, compared and imported as a whole."""
