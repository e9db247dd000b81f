"""The auditor's side: whether anybody altered the record, and what it shows of any moment."""
