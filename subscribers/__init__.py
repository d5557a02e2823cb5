"""The people: who asked for which newsletter, how that is proved, and how they leave.

In goes what somebody typed, clicked or imported; out come the addresses a newsletter may be sent to at this moment,
and the evidence for each. It knows nothing of newsletters but their keys, so that it could be audited, or replaced,
alone. This is the only door. Functions take a session and never commit; those that write take the ledger's lock first.
"""

from subscribers.addresses import Address
from subscribers.audience import AUDIENCE_RULE, Audience, Dropped, Exclusion, Recipient, audience, recipients
from subscribers.audit import Broken, Verdict, verify
from subscribers.consent import Recorded, lock
from subscribers.dossier import Dossier, SignupView, show
from subscribers.errors import (
    BrokenChain,
    ExpiredToken,
    ImportRefused,
    InvalidAddress,
    InvalidToken,
    NotSubscribed,
    SubscribersError,
    UnreadableSeal,
)
from subscribers.evidence import Evidence, Kind
from subscribers.imports import Imported, ImportJob, RefusedRow, import_csv
from subscribers.keyring import Keys
from subscribers.opt_in import (
    Confirmed,
    Invitation,
    Pending,
    Quiet,
    Requester,
    SignUp,
    Silence,
    confirm,
    look_up,
    requester,
    sign_up,
)
from subscribers.opt_out import (
    Paused,
    Preferences,
    SuppressionReason,
    Unsubscribed,
    pause,
    preferences,
    resume,
    suppress,
    unsubscribe,
    unsubscribe_address,
)
from subscribers.registry import EndReason, State, Subscription
from subscribers.requests import RequestState, prune
from subscribers.triggers import ledger_triggers

__all__ = [
    "AUDIENCE_RULE",
    "Address",
    "Audience",
    "Broken",
    "BrokenChain",
    "Confirmed",
    "Dossier",
    "Dropped",
    "EndReason",
    "Evidence",
    "Exclusion",
    "ExpiredToken",
    "ImportJob",
    "ImportRefused",
    "Imported",
    "InvalidAddress",
    "InvalidToken",
    "Invitation",
    "Keys",
    "Kind",
    "NotSubscribed",
    "Paused",
    "Pending",
    "Preferences",
    "Quiet",
    "Recipient",
    "Recorded",
    "RefusedRow",
    "RequestState",
    "Requester",
    "SignUp",
    "SignupView",
    "Silence",
    "State",
    "SubscribersError",
    "Subscription",
    "SuppressionReason",
    "UnreadableSeal",
    "Unsubscribed",
    "Verdict",
    "audience",
    "confirm",
    "import_csv",
    "ledger_triggers",
    "lock",
    "look_up",
    "pause",
    "preferences",
    "prune",
    "recipients",
    "requester",
    "resume",
    "show",
    "sign_up",
    "suppress",
    "unsubscribe",
    "unsubscribe_address",
    "verify",
]
