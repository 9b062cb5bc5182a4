"""Where an event's particles come from, and how often."""
