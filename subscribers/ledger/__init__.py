"""The consent ledger: what was asked, given, withdrawn and shown, so that it can be proved and any edit is found.

In go events, out come their numbers, their history and a verdict on the whole chain. Nothing here changes a
subscription: the rooms that do append their event first, in the same transaction.
"""
