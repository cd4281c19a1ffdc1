"""What the record can hold: every fact there is, stage by stage. Names and meanings are permanent."""
