"""The queue of an earlier system, read and taken over: `leadkeep import-queue`."""
