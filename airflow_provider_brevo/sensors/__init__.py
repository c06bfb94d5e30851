"""Waiting for events that Brevo has."""
