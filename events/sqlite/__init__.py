"""The log in one SQLite file, for one machine and all of its processes."""
