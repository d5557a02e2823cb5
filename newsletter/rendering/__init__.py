"""The composing room: an edition becomes a proof, a proof is inspected, and letters are cut from it.

In: an Edition, its newsletter's template, the site. Out: a Proof, whose digest an approval is bound to; and, once per
recipient, a Draft, which is a Letter but for its signature. Everything costly or dangerous is done early: MJML is
compiled once per template and never sees content, Jinja runs once per edition and sees editors' text only as data,
and a recipient is a splice of bytes.

template (folder -> Template) and its grammar · page (what a template may ask) · prose (Markdown) · plaintext ·
proof · preflight (the checks) · mime (headers), transfer (bodies) and letter (once per recipient) · press (the room's
one shell).
"""
