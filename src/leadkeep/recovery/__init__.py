"""What proves that nothing was lost: the ledger of leads received and where each of them stands."""
