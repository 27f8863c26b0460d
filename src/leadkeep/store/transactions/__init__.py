"""What the verbs do inside a transaction, once for all engines.

Every function takes the session of a transaction that its caller has begun and will end.
"""
