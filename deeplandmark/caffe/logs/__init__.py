"""Training logs: written, read again, drawn."""
