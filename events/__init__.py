"""What happened, and the log that remembers it."""
