"""Who cares: everything that is made of events."""
