"""The batch record as a person reads it, in either language, from nothing but the entries: `batch_report`."""

from cytoloop.app.report.report import Standing, batch_report

__all__ = ["Standing", "batch_report"]
