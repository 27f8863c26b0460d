-- What is read from a payload beside its person, and by what a lead is known when it comes again.
-- Runs in one transaction. Features of SQLite 3.40 only: older shells read this database.

ALTER TABLE leads ADD COLUMN facts TEXT;
ALTER TABLE leads ADD COLUMN is_test INTEGER NOT NULL DEFAULT 0 CHECK (is_test IN (0, 1));
ALTER TABLE leads ADD COLUMN certificate_expires_at_ms INTEGER;
ALTER TABLE leads ADD COLUMN same_person_as INTEGER REFERENCES leads (id);
-- 64 bits of source, destinations, method, target and body; NULL: never compared.
ALTER TABLE leads ADD COLUMN fingerprint INTEGER;

CREATE INDEX leads_by_fingerprint ON leads (fingerprint) WHERE fingerprint IS NOT NULL;
CREATE INDEX leads_by_phone ON leads (phone) WHERE phone <> '';
CREATE INDEX leads_by_email ON leads (email) WHERE email <> '';
CREATE INDEX leads_by_certificate ON leads (certificate_expires_at_ms)
  WHERE certificate_expires_at_ms IS NOT NULL;

-- Copies whose original is not settled yet: they wait for what becomes of it.
CREATE TABLE open_copies (
  lead     INTEGER PRIMARY KEY REFERENCES leads (id),
  original INTEGER NOT NULL REFERENCES leads (id)
) STRICT;
