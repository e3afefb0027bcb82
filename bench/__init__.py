"""Measurements of what slotline promises; each ends with one JSON object on the last line. Not part of the product."""
