"""What writers of instructions run: `slotline prompts check` and `slotline prompts show`."""
