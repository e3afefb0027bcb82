"""The domain: what can be booked, what is booked, and the record of both."""
