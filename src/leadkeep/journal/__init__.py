"""Where acceptance becomes durable: written by the door, read by the absorber."""
