"""Leadkeep: a door for leads that never loses one."""
