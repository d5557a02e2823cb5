"""Editions: stories and a plan in, one dated and numbered edition out, and its way from open to sent.

`edition` holds the values, `compose` fills a plan's slots (pure, with a reason for every choice), `wording` writes what
is derived from the picks, `workflow` is the machine of states, and `store` alone writes the tables. Rendering, people
and clocks stand elsewhere: an edition says what is printed, never how it looks, to whom it goes, or whether it is time.
"""
