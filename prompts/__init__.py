"""The instruction, message and scenario files that prompt authors edit, and their loader."""
