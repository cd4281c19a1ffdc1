"""Stage 3b: rules of law, one module per legal source, one function per clause; the change gate. Pure."""
