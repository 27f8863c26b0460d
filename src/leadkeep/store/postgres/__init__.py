"""The store on PostgreSQL, through asyncpg: for many doors and workers on many machines.

Open it with `leadkeep.store.postgres.opening.open_postgres`; migrate it alone with
`leadkeep.store.postgres.migrations.migrate`.
"""
