"""The people: who asked for which newsletter, how that is proved, and how they leave.

In goes what somebody typed, clicked or imported; out come the addresses a newsletter may be sent to at this moment,
and the evidence for each. It knows nothing of newsletters but their keys, so that it could be audited, or replaced,
alone. This is the only door. Functions take a session and never commit; those that write take the ledger's lock first.
"""

from subscribers.access import (
    Addressee,
    Entered,
    Granted,
    Visitor,
    addressee,
    ask_access,
    ask_access_by_letter,
    close_visit,
    look_at_link,
    open_visit,
    visitor,
)
from subscribers.addresses import Address
from subscribers.audience import AUDIENCE_RULE, Audience, Dropped, Exclusion, Recipient, audience, opens, recipients
from subscribers.audit import Broken, Verdict, verify
from subscribers.choices import Choice, Consented, choices, exported, set_language, set_rhythm, subscribe
from subscribers.dossier import Dossier, LinkView, SignupView, VisitView, show
from subscribers.errors import (
    BrokenChain,
    ExpiredToken,
    IllegalChange,
    ImportRefused,
    InvalidAddress,
    InvalidToken,
    NotSubscribed,
    SubscribersError,
    UndoRefused,
    UnreadableSeal,
)
from subscribers.grants import Errand
from subscribers.grants import prune as prune_links
from subscribers.keyring import Keyring
from subscribers.keys import Keys
from subscribers.ledger.consent import Recorded, lock
from subscribers.ledger.evidence import Evidence, Kind
from subscribers.ledger.triggers import ledger_triggers, standing_triggers
from subscribers.moves import Move, ask_to_move, look_at_move, move
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
    Unsubscribed,
    pause,
    preferences,
    resume,
    suppress,
    unsubscribe,
    unsubscribe_address,
    unsuppress,
)
from subscribers.registry import Subscription
from subscribers.requests import prune
from subscribers.states import EndReason, RequestState, Rhythm, State, SuppressionReason
from subscribers.tracking import (
    Agreement,
    allow_tracking,
    end_tracking,
    end_tracking_by_token,
    is_tracked,
    reading_tokens,
    tracked_subscription,
)
from subscribers.transfers.batches import Batch, Counts
from subscribers.transfers.batches import listing as imports_made
from subscribers.transfers.drafts import ImportJob, RefusedRow
from subscribers.transfers.exports import Exported, export, neutral
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
    "Addressee",
    "Agreement",
    "Audience",
    "Batch",
    "Broken",
    "BrokenChain",
    "Choice",
    "Confirmed",
    "Consented",
    "Counts",
    "Dossier",
    "Dropped",
    "EndReason",
    "Entered",
    "Errand",
    "Evidence",
    "Exclusion",
    "ExpiredToken",
    "Exported",
    "Granted",
    "IllegalChange",
    "ImportJob",
    "ImportRefused",
    "Imported",
    "InvalidAddress",
    "InvalidToken",
    "Invitation",
    "Keyring",
    "Keys",
    "Kind",
    "LinkView",
    "Move",
    "NotSubscribed",
    "Paused",
    "Pending",
    "Preferences",
    "Quiet",
    "Recipient",
    "Recorded",
    "RefusedRow",
    "Rehearsal",
    "RequestState",
    "Requester",
    "Rhythm",
    "Sample",
    "SignUp",
    "SignupView",
    "Silence",
    "State",
    "SubscribersError",
    "Subscription",
    "SuppressionReason",
    "Taking",
    "UndoRefused",
    "Undone",
    "UnreadableSeal",
    "Unsubscribed",
    "Verdict",
    "VisitView",
    "Visitor",
    "addressee",
    "allow_tracking",
    "ask_access",
    "ask_access_by_letter",
    "ask_to_move",
    "audience",
    "choices",
    "close_visit",
    "confirm",
    "csv_lines",
    "end_tracking",
    "end_tracking_by_token",
    "export",
    "exported",
    "import_csv",
    "imports_made",
    "is_tracked",
    "ledger_triggers",
    "lock",
    "look_at_link",
    "look_at_move",
    "look_up",
    "move",
    "neutral",
    "open_visit",
    "opens",
    "pause",
    "preferences",
    "prune",
    "prune_links",
    "reading_tokens",
    "recipients",
    "rehearse",
    "requester",
    "resume",
    "set_language",
    "set_rhythm",
    "show",
    "sign_up",
    "standing_triggers",
    "subscribe",
    "suppress",
    "tracked_subscription",
    "undo",
    "unsubscribe",
    "unsubscribe_address",
    "unsuppress",
    "verify",
    "visitor",
]
