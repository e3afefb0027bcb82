"""Stand-ins for the outside services, on loopback, speaking their real wire protocols."""
