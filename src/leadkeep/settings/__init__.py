"""One table of settings: `model` declares them, `kinds` parses, `load` merges, `describe` tells."""
