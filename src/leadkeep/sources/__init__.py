"""Who sends leads: which path belongs to which source, and what can be read from a payload."""
