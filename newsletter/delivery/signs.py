"""The signs by which mail gives itself away: what only machines call themselves, and what they and readers say.

Pure. Everything is compared in lower case; each pattern is bounded.
"""

import re
from typing import Final


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


DAEMON: Final = _any(
    "mailer.?daemon",
    "post.?master",
    "mail deliver",
    "deliver(?:y|er) (?:sub)?system",
    "mdaemon",
    "administrator",
    "bounce",
    "mail (?:system|server|transport|gateway|daemon)",
    "majordomo",
    "-(?:admin|request)@",
    "owner-",
    "<>",
)
"""The names of mail systems, in From."""

BOUNCE_SUBJECT: Final = _any(
    "un-?deliver|non-?deliver|not deliver",
    "return(?:ed|ing) (?:mail|message|to sender)",
    "deliver[a-z]{0,5}[ :-]{1,3}(?:status|failure|failed|error|problem|report|notif|fail|delay|unsuccess|has)",
    "failure (?:notice|delivery)|failed (?:mail|delivery|message)|cannot send|error sending",
    "(?:mail|message|send|sending|e-?mail) (?:delivery )?(?:failed|failure|error|rejected|system error|problem)",
    "(?:could|can|was) ?n[o']t (?:be )?(?:send|sent|deliver|reach)",
    "postmaster notify|user unknown|warning: (?:could|message|mail)|message delayed|smtp server: err",
    "are not member|bounced",
    "unzustellbar|nicht zustellbar|non remis|no entregado|mancata consegna|недоставлен|не доставлен|配信|送信|退信",
)
BOUNCE_WORDS: Final = _any(
    "(?:could|was|were|can|has|have|did|is|be) ?n[o']t (?:yet )?(?:be |been |able to be )?(?:deliver|sent|reach|relay)",
    "not (?:be )?accepted",
    "cannot be (?:deliver|sent)|undeliver|(?:un|not )able to (?:be )?(?:deliver|send)",
    "delivery (?:to|of|failed|has failed|error|attempt)|(?:fatal|delivery) errors|delivery problems",
    "(?:were|was) not (?:able|relayed|delivered)|trouble delivering|problem delivering",
    "error (?:was )?(?:encountered|occurred)|error message below|failure reasons|transcript of session",
    "invalid final delivery|rejected your message|automatically rejected|has been rejected",
    "has been delayed|did not reach|has not been delivered",
    "not a member of|duplicated message-id",
    "配信|送信|お届け|送れません|не может быть доставлено|не удалось|nicht zugestellt|non .{0,20} remis",
)
"""What a mail system says of a letter it did not deliver."""

AWAY: Final = _any(
    "^auto(?:matic|mated|mat)?[ -]?(?:reply|response|responder)|^autoreply|^auto: ",
    "^out of (?:the )?office|^vacation|^away from|^i am (?:away|out)|^on (?:leave|holiday|vacation)",
    "^abwesen|^automatische antwort|^réponse automatique|^absence|^absent|^respuesta automática|^fuera de",
    "^risposta automatica|^assente|^automatisch antwoord|^automatiskt? svar|^autosvar|^automaattinen",
    "^resposta automática|^автоответ|^自動返信|^自動応答|^不在|^自动回复|^자동",
)
AWAY_FIELDS: Final = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-mail-autoreply", "x-auto-reply")
LEAVE: Final = re.compile(
    "(?:re: ?)?(?:please )?(?:unsubscribe|remove|opt[ -]?out|signoff|abmelden|abbestellen|désabonne[rz]?|désinscription"
    "|darme de baja|baja|cancelar suscripción|disiscrivi(?:mi)?|uitschrijven|avprenumerera|cancelar inscrição"
    r"|отписаться|配信停止|退订|取消订阅)(?: me)?(?: please)?(?: [\w.+@-]{1,90})?[.!]?"
)
"""A whole subject, or a whole first line, by which a reader asks for no more letters."""

COMPLAINT: Final = _any(
    "complaint about message", "abuse report for an e-?mail message", "e-?mail feedback report for", "spam complaint"
)
LATER: Final = _any(
    "delay", "warning: ", "could not send message for past", "not yet been delivered", "temporary failure report"
)
"""The letter may still arrive."""

CHALLENGE: Final = _any("challenge", "(?:confirm|verify) (?:that )?you", "new (?:e-?mail )?address", "address change")
