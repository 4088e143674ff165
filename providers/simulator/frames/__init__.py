"""What a mock says in each wire format: one file per format, pure functions from a Plan's words to bytes."""
