"""People as doors: whoever scans, answers, decides and signs."""
