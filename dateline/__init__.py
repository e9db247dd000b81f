"""The house put together: command line, settings, wiring. No rules of its own."""
