"""The simulator: a real HTTP server that plays every mock provider of a file and logs the times it truly kept."""
