"""Pictures of events; nothing else in this package loads matplotlib."""
