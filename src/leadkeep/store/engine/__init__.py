"""What every engine has in common: transactions as verbs see them, and the verbs themselves."""
