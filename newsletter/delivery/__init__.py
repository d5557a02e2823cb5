"""Delivery: from an approved proof to one recorded outcome for every subscriber.

In come a frozen document and the audience of a moment; out come letters handed to a relay and rows that balance. Each
letter is marked on disk before its last byte leaves and judged when the reply arrives, so that after a crash only a
letter in that gap is in doubt, and it is named. Exactly once over SMTP is impossible (RFC 1047); at least once or a
recorded reason is what the ledger proves.
"""
