"""From samples to a score that says how far it can be trusted. Importing this package imports nothing."""
