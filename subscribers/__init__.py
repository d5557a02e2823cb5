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
from subscribers.audience import (
    AUDIENCE_RULE,
    Audience,
    Candidates,
    Dropped,
    Exclusion,
    Recipient,
    audience,
    candidates,
    opens,
    recipients,
)
from subscribers.audit import Verdict, verify
from subscribers.certificates import Office, certify, language_of
from subscribers.choices import Choice, Consented, choices, exported, set_language, set_rhythm, subscribe
from subscribers.departures import Departure, noted
from subscribers.displays import Display, display, displayed
from subscribers.dossier import Dossier, LinkView, SignupView, VisitView, show
from subscribers.envelopes import new_pair, require_public
from subscribers.erasure import Erased, erase, erase_fingerprint, erase_left_before, subject_of
from subscribers.errors import (
    BrokenChain,
    ErasureHeld,
    ExpiredToken,
    IllegalChange,
    ImportRefused,
    InvalidAddress,
    InvalidCheckpoint,
    InvalidToken,
    NoticeRefused,
    NotSubscribed,
    ReceiptRefused,
    RightsRefused,
    SubscribersError,
    UndoRefused,
    UnreadableSeal,
)
from subscribers.grants import Errand
from subscribers.grants import prune as prune_links
from subscribers.holds import Hold, evidence_of, hold, read_evidence, release
from subscribers.holds import prune as prune_holds
from subscribers.instants import months_later
from subscribers.keyring import Keyring
from subscribers.keys import Keys
from subscribers.last_letters import LastLetter, last_addressee
from subscribers.last_letters import forget as forget_last_letters
from subscribers.last_letters import waiting as last_letters_waiting
from subscribers.ledger import checkpoints, lint, notices
from subscribers.ledger.consent import Recorded, lock
from subscribers.ledger.evidence import Evidence, Kind
from subscribers.ledger.forest import grow
from subscribers.ledger.lint import Weakness
from subscribers.ledger.receipt import Issuer
from subscribers.ledger.receipt import check as check_receipt
from subscribers.ledger.signed_notes import Signer, Verifier, new_key
from subscribers.ledger.triggers import ledger_triggers, standing_triggers
from subscribers.limits import LETTERS_KEPT, counted, take
from subscribers.limits import prune as prune_counts
from subscribers.moves import Move, ask_to_move, look_at_move, move
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
    Unsubscribed,
    expire,
    pause,
    preferences,
    refuse,
    resume,
    suppress,
    unsubscribe,
    unsubscribe_address,
    unsubscribe_all,
    unsuppress,
)
from subscribers.registry import Subscription, count_left_before
from subscribers.replay import depart_again
from subscribers.requests import Held, drop_held, held, release_held
from subscribers.restraint import BLOCKED, Caps, Silence, alarm
from subscribers.retention import count_expired, expire_requests, sweep_keys
from subscribers.rights import (
    Answering,
    Asking,
    Right,
    RightsRequest,
    RightsState,
    answer,
    ask,
    asked,
    newly_overdue,
)
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
from subscribers.witnesses import Broken, Witnessed
from subscribers.witnesses import read as read_witnessed

__all__ = [
    "AUDIENCE_RULE",
    "BLOCKED",
    "LETTERS_KEPT",
    "LOADERS",
    "UNDO_DAYS",
    "Address",
    "Addressee",
    "Agreement",
    "Answering",
    "Asking",
    "Audience",
    "Batch",
    "Broken",
    "BrokenChain",
    "Candidates",
    "Caps",
    "Choice",
    "Confirmed",
    "Consented",
    "Counts",
    "Departure",
    "Display",
    "Dossier",
    "Dropped",
    "EndReason",
    "Entered",
    "Erased",
    "ErasureHeld",
    "Errand",
    "Evidence",
    "Exclusion",
    "ExpiredToken",
    "Exported",
    "Granted",
    "Held",
    "Hold",
    "IllegalChange",
    "ImportJob",
    "ImportRefused",
    "Imported",
    "InvalidAddress",
    "InvalidCheckpoint",
    "InvalidToken",
    "Invitation",
    "Issuer",
    "Keyring",
    "Keys",
    "Kind",
    "LastLetter",
    "LinkView",
    "Move",
    "NotSubscribed",
    "NoticeRefused",
    "Office",
    "Paused",
    "Pending",
    "Preferences",
    "Quiet",
    "ReceiptRefused",
    "Recipient",
    "Recorded",
    "Refused",
    "RefusedRow",
    "Rehearsal",
    "RequestState",
    "Requester",
    "Rhythm",
    "Right",
    "RightsRefused",
    "RightsRequest",
    "RightsState",
    "Sample",
    "SignUp",
    "Signer",
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
    "Verifier",
    "VisitView",
    "Visitor",
    "Weakness",
    "Witnessed",
    "addressee",
    "alarm",
    "allow_tracking",
    "answer",
    "ask",
    "ask_access",
    "ask_access_by_letter",
    "ask_to_move",
    "asked",
    "asked_for",
    "audience",
    "candidates",
    "certify",
    "check_receipt",
    "checkpoints",
    "choices",
    "close_visit",
    "confirm",
    "confirm_by_code",
    "count_expired",
    "count_left_before",
    "counted",
    "csv_lines",
    "depart_again",
    "display",
    "displayed",
    "drop_held",
    "end_tracking",
    "end_tracking_by_token",
    "erase",
    "erase_fingerprint",
    "erase_left_before",
    "evidence_of",
    "expire",
    "expire_requests",
    "export",
    "exported",
    "forget_last_letters",
    "grow",
    "held",
    "hold",
    "import_csv",
    "imports_made",
    "is_tracked",
    "language_of",
    "last_addressee",
    "last_letters_waiting",
    "ledger_triggers",
    "lint",
    "lock",
    "look_at_link",
    "look_at_move",
    "look_up",
    "months_later",
    "move",
    "neutral",
    "new_key",
    "new_pair",
    "newly_overdue",
    "noted",
    "notices",
    "open_visit",
    "opens",
    "pause",
    "preferences",
    "prune_counts",
    "prune_holds",
    "prune_links",
    "read_evidence",
    "read_witnessed",
    "reading_tokens",
    "recipients",
    "refuse",
    "rehearse",
    "release",
    "release_held",
    "requester",
    "require_public",
    "resume",
    "set_language",
    "set_rhythm",
    "show",
    "sign_up",
    "standing_triggers",
    "subject_of",
    "subscribe",
    "suppress",
    "sweep_keys",
    "take",
    "ticket",
    "tracked_subscription",
    "undo",
    "unsubscribe",
    "unsubscribe_address",
    "unsubscribe_all",
    "unsuppress",
    "verify",
    "visitor",
]
