"""The queue's truth: leads, deliveries, attempts, and the verbs that move them."""
