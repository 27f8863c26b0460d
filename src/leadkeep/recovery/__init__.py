"""Backup, restore, verify and rebuild: the ways back to every lead."""
