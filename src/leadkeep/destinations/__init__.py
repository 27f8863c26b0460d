"""What takes leads: HTTP applications, and whatever else speaks the protocol in `base`."""
