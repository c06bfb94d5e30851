"""Functions whose results are sent to Brevo, for TaskFlow."""
