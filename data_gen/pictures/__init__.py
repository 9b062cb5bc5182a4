"""Pictures of events and patches."""
