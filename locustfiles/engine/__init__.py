"""The Locust-side machinery: everything between a declared provider and a row on disk."""
