"""The proof that nothing was lost, and the ways back to every lead if something was."""
