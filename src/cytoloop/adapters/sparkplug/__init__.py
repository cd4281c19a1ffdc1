"""Equipment behind MQTT Sparkplug B (Eclipse Sparkplug specification 3.0.0)."""
