"""The postbox: a real SMTP relay that sends nothing on. The demo's inbox, the tests' double, `worldbrief postbox`.

In come SMTP conversations; what it takes lies in memory or as one .eml file per letter. Which TLS, login and extensions
it offers is a `Service`; how it misbehaves is a script, asked at each stage of each conversation, so that a test says
in one line what a bad relay does: `Postbox(script=at(Stage.DOT, Act.CLOSE))`.
"""

from newsletter.postbox.conversation import Service
from newsletter.postbox.script import (
    Act,
    Also,
    Drip,
    Half,
    Moment,
    Move,
    Pause,
    Say,
    Script,
    Stage,
    after,
    at,
    behave,
    first_of,
    greylist,
    mixed,
    refuse,
)
from newsletter.postbox.server import Postbox, PostboxError, running
from newsletter.postbox.shelf import Arrived

__all__ = [
    "Act",
    "Also",
    "Arrived",
    "Drip",
    "Half",
    "Moment",
    "Move",
    "Pause",
    "Postbox",
    "PostboxError",
    "Say",
    "Script",
    "Service",
    "Stage",
    "after",
    "at",
    "behave",
    "first_of",
    "greylist",
    "mixed",
    "refuse",
    "running",
]
