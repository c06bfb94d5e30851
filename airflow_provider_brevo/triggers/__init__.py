"""What waits for Brevo without a worker slot."""
