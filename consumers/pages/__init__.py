"""Pages for readers: whole without a script, kept current by one; nothing filed is ever run."""
