"""What alerts count."""

from prometheus_client import Counter, Gauge

OPEN = Gauge("leadkeep_incidents_open", "Incidents that are not over, by kind.", ["kind"])
MAILS = Counter(
    "leadkeep_alert_mails_total",
    "Mails that were to be sent, by result: sent or unsent.",
    ["result"],
)
WAITING = Gauge("leadkeep_alert_notices_waiting", "What people are to be told and are not yet.")
LOOKED = Gauge(
    "leadkeep_alert_last_look_timestamp_seconds", "When everything was last looked at successfully."
)
