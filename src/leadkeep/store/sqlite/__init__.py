"""The store on SQLite, through APSW and the SQLite it brings.

Open it with `leadkeep.store.sqlite.opening.open_sqlite`; migrate it alone with
`leadkeep.store.sqlite.migrations.migrate`.
"""
