"""Stage 4, data feedback: dataset, twin, calibration, forecast, control, proposal. Pure; numpy and numba live here."""
