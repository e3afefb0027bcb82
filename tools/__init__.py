"""What the language model may call in a call; thin faces of the booking service."""
