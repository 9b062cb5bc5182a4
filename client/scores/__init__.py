"""Every hit of many events: read, answered, kept in parts, joined in one file."""
