//! Model to text for people: tables, timelines, explanations; the CLI and transcripts share it.
