"""Who says so: everything that puts events into the log."""
