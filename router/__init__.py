"""The router sends each chat request to the provider that scorecard and live evidence favour."""
