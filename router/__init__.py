"""Here will stand the router: it sends each chat request to the provider that scorecard and live evidence favour."""
