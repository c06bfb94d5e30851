"""Sending events from callbacks."""
