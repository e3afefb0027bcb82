"""The record: what was booked, said and texted, kept in one database."""
