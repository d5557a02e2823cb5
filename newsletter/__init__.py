"""The newsroom of World Brief: from a story on the wire to an accepted letter.

wire.pull       fetches a source's bytes,
feeds.parse     turns them into stories,
compose         fills the plan's slots with them, with a reason for every choice,
store.save      keeps the edition,
template.load   compiles the design once,
proving.prove     renders the edition, complete but for the recipient's blanks,
preflight       inspects the proof,
press.approve   binds the approval to its digest,
timetable       says the slot is due,
dispatch        freezes the audience,
worker.work     claims, addresses, submits, judges, records;
the inbox       is somebody else's house.
"""

__version__ = "26.11.0"
