"""What everything rests on: errors, JSON, files, processes. It imports nothing of the house."""
