"""The people: who asked for which newsletter, how that is proved, and how they leave.

In goes what somebody typed, clicked or imported; out come the addresses a newsletter may be sent to at this moment,
and the evidence for each. It knows nothing of newsletters but their keys, so that it could be audited, or replaced,
alone. This is the only door. Functions take a session and never commit; those that write take the ledger's lock first.
"""

from subscribers.addresses import Address
from subscribers.audience import AUDIENCE_RULE, Audience, Dropped, Exclusion, Recipient, audience, opens, recipients
from subscribers.audit import Broken, Verdict, verify
from subscribers.dossier import Dossier, SignupView, show
from subscribers.errors import (
    BrokenChain,
    ExpiredToken,
    ImportRefused,
    InvalidAddress,
    InvalidToken,
    NotSubscribed,
    SubscribersError,
    UndoRefused,
    UnreadableSeal,
)
from subscribers.keyring import Keyring
from subscribers.keys import Keys
from subscribers.ledger.consent import Recorded, lock
from subscribers.ledger.evidence import Evidence, Kind
from subscribers.ledger.triggers import ledger_triggers
from subscribers.limits import counted, take
from subscribers.opt_in import (
    Confirmed,
    Invitation,
    Pending,
    Quiet,
    Requester,
    SignUp,
    Typed,
    asked_for,
    confirm,
    confirm_by_code,
    look_up,
    requester,
    sign_up,
    ticket,
)
from subscribers.opt_out import (
    Paused,
    Preferences,
    Refused,
    SuppressionReason,
    Unsubscribed,
    pause,
    preferences,
    refuse,
    resume,
    suppress,
    unsubscribe,
    unsubscribe_address,
    unsubscribe_all,
)
from subscribers.registry import EndReason, State, Subscription
from subscribers.requests import Held, RequestState, drop_held, held, prune, release
from subscribers.restraint import Caps, Silence, alarm
from subscribers.transfers.batches import Batch, Counts
from subscribers.transfers.batches import listing as imports_made
from subscribers.transfers.drafts import ImportJob, RefusedRow
from subscribers.transfers.exports import Exported, export
from subscribers.transfers.exports import lines as csv_lines
from subscribers.transfers.imports import Imported, import_csv
from subscribers.transfers.loaders import LOADERS
from subscribers.transfers.rehearsal import Rehearsal, Sample, rehearse
from subscribers.transfers.undo import UNDO_DAYS, Taking, Undone, undo

__all__ = [
    "AUDIENCE_RULE",
    "LOADERS",
    "UNDO_DAYS",
    "Address",
    "Audience",
    "Batch",
    "Broken",
    "BrokenChain",
    "Caps",
    "Confirmed",
    "Counts",
    "Dossier",
    "Dropped",
    "EndReason",
    "Evidence",
    "Exclusion",
    "ExpiredToken",
    "Exported",
    "Held",
    "ImportJob",
    "ImportRefused",
    "Imported",
    "InvalidAddress",
    "InvalidToken",
    "Invitation",
    "Keyring",
    "Keys",
    "Kind",
    "NotSubscribed",
    "Paused",
    "Pending",
    "Preferences",
    "Quiet",
    "Recipient",
    "Recorded",
    "Refused",
    "RefusedRow",
    "Rehearsal",
    "RequestState",
    "Requester",
    "Sample",
    "SignUp",
    "SignupView",
    "Silence",
    "State",
    "SubscribersError",
    "Subscription",
    "SuppressionReason",
    "Taking",
    "Typed",
    "UndoRefused",
    "Undone",
    "UnreadableSeal",
    "Unsubscribed",
    "Verdict",
    "alarm",
    "asked_for",
    "audience",
    "confirm",
    "confirm_by_code",
    "counted",
    "csv_lines",
    "drop_held",
    "export",
    "held",
    "import_csv",
    "imports_made",
    "ledger_triggers",
    "lock",
    "look_up",
    "opens",
    "pause",
    "preferences",
    "prune",
    "recipients",
    "refuse",
    "rehearse",
    "release",
    "requester",
    "resume",
    "show",
    "sign_up",
    "suppress",
    "take",
    "ticket",
    "undo",
    "unsubscribe",
    "unsubscribe_address",
    "unsubscribe_all",
    "verify",
]
