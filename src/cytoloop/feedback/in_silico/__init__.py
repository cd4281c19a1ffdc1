"""In silico: campaigns of virtual batches."""
