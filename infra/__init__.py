"""Here will stand deployment: one image, its roles, and the steps from cloud accounts to collected results."""
