"""What one runs. Importing this package patches nothing; only its locustfiles and its engine import Locust."""
