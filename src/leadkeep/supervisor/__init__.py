"""Holds the sockets and keeps the processes running. Standard library only."""
