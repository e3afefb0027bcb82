"""Implementations of the Calendar port."""
