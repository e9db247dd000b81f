"""The story: what is known of it, folded event by event, kept on disk and read as of any moment."""
