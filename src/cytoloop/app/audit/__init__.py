"""The audit trail: every entry as who, what, old, new, when and why (21 CFR 11.10(e); EU GMP Annex 11 §9).

It is no second record: each row is read from one entry.
"""
