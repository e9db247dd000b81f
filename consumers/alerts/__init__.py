"""Alerts: what of the news is told to whom, how urgently, and how every correction follows it."""
