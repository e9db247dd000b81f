"""Getting alerts to those who are owed them: once, with proof, past whatever is in the way."""
