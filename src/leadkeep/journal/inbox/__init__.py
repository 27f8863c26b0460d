"""The journal in PostgreSQL: the same groups of the same records, as rows instead of files."""
