"""Samples: what ten to fifty patients can tell, before collection and of outcomes; silence where they cannot."""
