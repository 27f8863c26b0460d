"""From store to destination, until it is confirmed."""
