"""The agent: composes the packages below it; owns settings, the command line, the server and the life of a call."""
