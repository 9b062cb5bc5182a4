"""Load on servers as jobs make it: many clients in a few processes, and what they found."""
