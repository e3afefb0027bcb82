"""What the owner asks of the record, by commands: its appointments, and what callers have left."""
