"""The vocabulary: what we talk to, how it is spoken to, and what it answered. Knows no load engine, no data frame."""
