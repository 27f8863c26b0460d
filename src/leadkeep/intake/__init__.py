"""The door: takes one HTTP request whole, makes it durable, answers. Knows no store."""
