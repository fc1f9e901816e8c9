"""The cost of provenance: of a record, of a run, of a question."""
