"""From journal to store, exactly once; then into the archive."""
