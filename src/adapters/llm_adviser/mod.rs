//! The adviser: any OpenAI-compatible server, asked inside a deadline, believed only as far as grounding allows.
