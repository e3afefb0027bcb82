"""Twilio's language: webhooks, Media Streams, REST. Knows no booking."""
