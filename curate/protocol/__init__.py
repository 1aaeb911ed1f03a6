"""What a stage is, and what travels between stages: tables, documents' numbers, counts."""
