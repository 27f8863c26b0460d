"""Alerts: what is wrong is seen, remembered as incidents, and told to people by mail.

`signs` and `rules` find what is wrong now, `incidents` decides what is told (both pure), `lookout`
looks, `watch` does so again and again, `outbox` sends what waits, `letters` and `mail` are the
channel. `last_resort` tells when the store itself cannot be used.
"""
