"""The nouns of Leadkeep: what is accepted, absorbed, delivered and shown.

Everything here is a value. Whoever uses one imports it from here, wherever it is defined below.
"""

from leadkeep.models.absorbing import (
    REFUSED_BY_STORE,
    AbsorbBatch,
    AbsorbReport,
    NewLead,
    SegmentProgress,
)
from leadkeep.models.alerting import (
    Incident,
    IncidentStep,
    Notice,
    Outbox,
    Problem,
    QueuedNotice,
    Refused,
)
from leadkeep.models.delivering import (
    Claim,
    CopiesSettled,
    Outcome,
    Recorded,
    SetAside,
    key_of_part,
    lead_and_part,
)
from leadkeep.models.importing import Origin, is_imported, origin_of
from leadkeep.models.leads import (
    NO_FACTS,
    OTHER_BITS,
    Contact,
    Facts,
    LeadOrder,
    LeadPart,
    Likeness,
)
from leadkeep.models.looking import (
    CERTIFICATE_NEAR_MS,
    AtStake,
    AttemptView,
    DeliveryView,
    DestinationView,
    LeadView,
    PartView,
    Selection,
)
from leadkeep.models.records import Position, Record, RecordFlag, RecordKind
from leadkeep.models.recovering import Replayed, Standing, StoredRequest
from leadkeep.models.steering import (
    Circuit,
    CircuitEvent,
    CircuitMove,
    Decision,
    Heading,
    Rate,
    Rerouted,
)

__all__ = [
    "CERTIFICATE_NEAR_MS",
    "NO_FACTS",
    "OTHER_BITS",
    "REFUSED_BY_STORE",
    "AbsorbBatch",
    "AbsorbReport",
    "AtStake",
    "AttemptView",
    "Circuit",
    "CircuitEvent",
    "CircuitMove",
    "Claim",
    "Contact",
    "CopiesSettled",
    "Decision",
    "DeliveryView",
    "DestinationView",
    "Facts",
    "Heading",
    "Incident",
    "IncidentStep",
    "LeadOrder",
    "LeadPart",
    "LeadView",
    "Likeness",
    "NewLead",
    "Notice",
    "Origin",
    "Outbox",
    "Outcome",
    "PartView",
    "Position",
    "Problem",
    "QueuedNotice",
    "Rate",
    "Record",
    "RecordFlag",
    "RecordKind",
    "Recorded",
    "Refused",
    "Replayed",
    "Rerouted",
    "SegmentProgress",
    "Selection",
    "SetAside",
    "Standing",
    "StoredRequest",
    "is_imported",
    "key_of_part",
    "lead_and_part",
    "origin_of",
]
