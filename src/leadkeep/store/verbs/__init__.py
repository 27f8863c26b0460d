"""The store protocol, role by role; `leadkeep.store.base` puts the roles together."""
