"""Published: readers of published tables, and the twins' figures fitted to them."""
