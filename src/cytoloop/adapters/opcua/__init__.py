"""Equipment behind OPC UA."""
