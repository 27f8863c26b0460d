"""The line between door and worker for answers that are wanted at once: frames and their socket."""
