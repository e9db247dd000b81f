"""The command line: what people type, and how a run begins and ends."""
