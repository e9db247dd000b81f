"""What each command does, once the newsroom is open: call, then show."""
