"""What Leadkeep tells about itself: logs, metrics, the admin listener. Never personal data."""
