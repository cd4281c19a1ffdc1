"""Doors to the world. Each knows core only, and none knows another; `app.bootstrap` introduces them."""
