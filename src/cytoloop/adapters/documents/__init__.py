"""Documents: a `core.report.Report` as one HTML file, and as PDF (extra `pdf`)."""
